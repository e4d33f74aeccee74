//! Owners and permission bits of files and directories, for `options { }` and for drivers.

use super::option_table::{Kind, Table};
use super::parser::{Parsed, Parser};
use super::span::Spanned;
use super::token::TokenKind;

/// The owner and the permission of what is created. What is not given is left as the system makes it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ownership {
    /// The owner's name or number.
    pub owner: Option<Spanned<String>>,
    /// The group's name or number.
    pub group: Option<Spanned<String>>,
    /// The permission bits.
    pub perm: Option<u32>,
}

/// The value of an option that may be written without one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Given<T> {
    /// The option was not written.
    #[default]
    No,
    /// Written without a value or with -1, as in `owner()` and `owner(-1)`: nothing is to be changed,
    /// whatever `options {}` says.
    Nothing,
    /// Written with a value.
    Value(T),
}

impl<T: Clone> Given<T> {
    /// The value, or `default` if the option was not written.
    fn or(&self, default: Option<&T>) -> Option<T> {
        match self {
            Self::No => default.cloned(),
            Self::Nothing => None,
            Self::Value(value) => Some(value.clone()),
        }
    }
}

/// [`Ownership`] of files and directories, as it was written.
#[derive(Debug, Clone, Default)]
pub struct FilePermissions {
    /// `owner()`
    pub owner: Given<Spanned<String>>,
    /// `group()`
    pub group: Given<Spanned<String>>,
    /// `perm()`
    pub perm: Given<u32>,
    /// `dir-owner()`
    pub dir_owner: Given<Spanned<String>>,
    /// `dir-group()`
    pub dir_group: Given<Spanned<String>>,
    /// `dir-perm()`
    pub dir_perm: Given<u32>,
}

impl FilePermissions {
    /// The owner and the permission of created files, with `defaults` for what is not written here.
    #[must_use]
    pub fn file(&self, defaults: &Ownership) -> Ownership {
        Ownership {
            owner: self.owner.or(defaults.owner.as_ref()),
            group: self.group.or(defaults.group.as_ref()),
            perm: self.perm.or(defaults.perm.as_ref()),
        }
    }

    /// The owner and the permission of created directories, with `defaults` for what is not written here.
    #[must_use]
    pub fn dir(&self, defaults: &Ownership) -> Ownership {
        Ownership {
            owner: self.dir_owner.or(defaults.owner.as_ref()),
            group: self.dir_group.or(defaults.group.as_ref()),
            perm: self.dir_perm.or(defaults.perm.as_ref()),
        }
    }
}

/// The options of [`FilePermissions`]; `options {}` has the same.
pub(crate) const PERMISSIONS: Table<FilePermissions> = &[
    ("owner", Kind::Other(|parser, to| parser.user().map(|user| to.owner = user))),
    ("group", Kind::Other(|parser, to| parser.user().map(|user| to.group = user))),
    ("perm", Kind::Other(|parser, to| parser.permissions().map(|bits| to.perm = bits))),
    ("dir-owner", Kind::Other(|parser, to| parser.user().map(|user| to.dir_owner = user))),
    ("dir-group", Kind::Other(|parser, to| parser.user().map(|user| to.dir_group = user))),
    ("dir-perm", Kind::Other(|parser, to| parser.permissions().map(|bits| to.dir_perm = bits))),
];

impl Parser {
    /// A user or a group, by name or number; nothing at all or -1 for "leave it".
    fn user(&mut self) -> Parsed<Given<Spanned<String>>> {
        if self.sees(&TokenKind::RParen) {
            return Ok(Given::Nothing);
        }
        let text = self.text_or_number("a name or a number")?;
        let text = self.utf8(text)?;
        Ok(match text.value.as_str() {
            "" | "-1" => Given::Nothing,
            _ => Given::Value(Spanned::new(text.value, text.span)),
        })
    }

    /// Permission bits; nothing at all or -1 for "leave it".
    fn permissions(&mut self) -> Parsed<Given<u32>> {
        if self.sees(&TokenKind::RParen) {
            return Ok(Given::Nothing);
        }
        if matches!(&self.peek().kind, TokenKind::Number(_, written) if written == "-1") {
            self.next();
            return Ok(Given::Nothing);
        }
        if !matches!(self.peek().kind, TokenKind::Number(..)) {
            return Err(self.unexpected("permissions as an octal number, such as 0640"));
        }
        if let TokenKind::Number(_, written) = &self.peek().kind
            && written.len() == 3
            && written.bytes().all(|digit| (b'0'..=b'7').contains(&digit))
        {
            let help = Some(format!("an octal number starts with 0: did you mean 0{written}?"));
            let message = format!("{written} is a decimal number here");
            let span = self.peek().span;
            self.report.warn(span, message, help);
        }
        self.integer(0, 0o7777).map(|bits| Given::Value(bits as u32))
    }
}
