//! What the machines' refusals have in common: each is one value of an enum, with a code and a text.
//!
//! Used by the machines of this layer, each with its own list.

/// Makes the enum `Refusal` from a list of names, codes and texts.
macro_rules! refusals {
    ($(#[$about:meta])* $code_of:ident; $($(#[$doc:meta])* $name:ident = $code:literal, $what:literal;)*) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Refusal {
            $($(#[$doc])* $name,)*
        }

        impl Refusal {
            /// All of them.
            pub const ALL: &'static [Refusal] = &[$(Refusal::$name),*];

            /// The code that the peer is told, and what was wrong.
            pub fn fault(self) -> &'static $crate::error::Fault {
                match self {
                    $(Refusal::$name => {
                        static FAULT: $crate::error::Fault =
                            $crate::error::Fault { code: $code, what: $what };
                        &FAULT
                    })*
                }
            }

            /// The code that the peer is told.
            pub fn $code_of(self) -> u16 {
                self.fault().code
            }
        }

        impl std::fmt::Display for Refusal {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.fault().fmt(f)
            }
        }

        impl std::error::Error for Refusal {}
    };
}

pub(super) use refusals;
