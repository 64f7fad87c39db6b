//! Serde through a type's own text form.
//!
//! Owns one macro: values whose journal form is their `Display` and `FromStr`. Ids, digests and
//! names make up most of a frame; they have a `with_text` that lends the text itself, so writing
//! them goes past the formatting machinery.

/// Implements serde for types with `FromStr` and either `Display` or, written `Type: with_text`,
/// `fn with_text<R>(&self, read: impl FnOnce(&str) -> R) -> R`.
macro_rules! serde_as_text {
    ($type:ty: with_text => $what:literal) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                self.with_text(|text| s.serialize_str(text))
            }
        }

        crate::text::serde_as_text!(@read $type => $what);
    };
    ($type:ty => $what:literal) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }

        crate::text::serde_as_text!(@read $type => $what);
    };
    (@read $type:ty => $what:literal) => {
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                struct Text;
                impl serde::de::Visitor<'_> for Text {
                    type Value = $type;
                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str($what)
                    }
                    fn visit_str<E: serde::de::Error>(self, s: &str) -> Result<$type, E> {
                        s.parse().map_err(E::custom)
                    }
                }
                d.deserialize_str(Text)
            }
        }
    };
}
pub(crate) use serde_as_text;
