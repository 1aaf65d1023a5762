//! Closed sets of words: one declaration makes the enum, the list of its variants, the word of each, and the parser.

/// An enum with a word for each variant, as the interface, a metric or an item writes it.
///
/// ```
/// cee_eligibility::words! {
///     /// How a call ended.
///     pub enum Ended {
///         /// Well.
///         Well = "well",
///         /// Not at all.
///         NotAtAll = "not_at_all",
///     }
/// }
///
/// assert_eq!(Ended::ALL, [Ended::Well, Ended::NotAtAll]);
/// assert_eq!(Ended::NotAtAll.as_str(), "not_at_all");
/// assert_eq!(Ended::parse("well"), Some(Ended::Well));
/// assert_eq!(Ended::parse("Well"), None);
/// ```
#[macro_export]
macro_rules! words {
    ($(#[$about:meta])* $visibility:vis enum $name:ident { $($(#[$what:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        $visibility enum $name { $($(#[$what])* $variant,)+ }

        impl $name {
            /// Every variant.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The word.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            /// The variant of this word.
            #[must_use]
            pub fn parse(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|variant| variant.as_str() == word)
            }
        }
    };
}
