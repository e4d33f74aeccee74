//! `tags(…)`: the tags of a message.

use std::sync::Arc;

use super::{Compiled, FilterOptions, Test};
use crate::config::Config;
use crate::config::grammar::{DriverHead, Parsed, Parser, TokenKind};
use crate::message::MessageRef;
use crate::template::Moment;

/// `tags("one" "other")`: one of them is enough.
#[derive(Debug, Clone)]
pub struct TagsOptions {
    tags: Arc<[Box<[u8]>]>,
}

impl FilterOptions for TagsOptions {
    fn read(parser: &mut Parser, head: DriverHead) -> Parsed<Self> {
        let mut tags = Vec::new();
        while !parser.eat(&TokenKind::RParen) {
            let tag = parser.string("a tag");
            let tag = tag.inspect_err(|_| {
                parser.close_parenthesis(head.open);
            })?;
            tags.push(tag.value.into_bytes().into_boxed_slice());
        }
        if tags.is_empty() {
            parser.report.warn(head.span, "`tags()` without a tag is never true", None);
        }
        Ok(Self { tags: tags.into() })
    }

    fn compile(&self, _: &Config) -> Compiled {
        Ok(Arc::new(Tags(Arc::clone(&self.tags))))
    }
}

#[derive(Debug)]
struct Tags(Arc<[Box<[u8]>]>);

impl Test for Tags {
    fn matches(&self, message: MessageRef<'_>, _: Moment) -> bool {
        message.tags().any(|tag| self.0.iter().any(|wanted| **wanted == *tag))
    }
}
