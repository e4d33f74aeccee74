//! Passwords of destinations: [`Secret`].

use std::fmt;

use sha2::Digest;

/// A text that is not shown: a password. Two that differ differ in their debug text, too.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(String);

impl Secret {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digest = sha2::Sha256::digest(self.0.as_bytes());
        write!(f, "Secret({:02x}{:02x}{:02x}{:02x}…)", digest[0], digest[1], digest[2], digest[3])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Breaks without it: a password is shown, or a destination with another one is taken for the same at a reload.
    #[test]
    fn a_secret_is_not_shown_and_differs() {
        let shown = format!("{:?}", Secret::new("s3cret"));
        assert!(!shown.contains("s3cret"), "{shown}");
        assert_ne!(shown, format!("{:?}", Secret::new("another")));
    }
}
