//! The headers that a configuration gives to requests: [`Header`].

use crate::template::Template;

/// A header: a name, and a template of its value.
#[derive(Debug, Clone)]
pub(super) struct Header {
    pub(super) name: String,
    pub(super) value: Template,
    /// Tells whether the value is a secret: then it is not sent to another host.
    pub(super) is_secret: bool,
}

impl Header {
    /// Reads `Name: value`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (name, value) = text.split_once(':').ok_or("a header has a name, `:` and a value")?;
        let name = name.trim();
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if name.is_empty() || !name.bytes().all(is_token) || name.contains('$') {
            return Err(format!("`{name}` is no name of a header"));
        }
        let lower = name.to_ascii_lowercase();
        if ["content-length", "transfer-encoding", "connection", "expect"].contains(&lower.as_str()) {
            return Err(format!("the header {name} is that of the connection, and not to be set"));
        }
        // The text of a token is nobody's to see.
        let value = Template::compile(value.trim()).map_err(|error| format!("{name}: {}", error.message))?;
        let is_secret = ["authorization", "cookie", "x-api-key", "dd-api-key"].contains(&lower.as_str());
        Ok(Self { name: name.to_owned(), value, is_secret })
    }
}
