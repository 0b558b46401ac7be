//! The colours of all pictures. Pictures are drawn for light pages; a style sheet in each replaces every colour by its
//! counterpart if the reader's scheme is dark.

use plotters::style::RGBColor;

/// A colour on a light page, and on a dark page.
struct Pair(RGBColor, RGBColor);

macro_rules! colors {
    ($($(#[$doc:meta])* $name:ident: ($lr:literal, $lg:literal, $lb:literal) ($dr:literal, $dg:literal, $db:literal);)*) => {
        $($(#[$doc])* pub const $name: RGBColor = RGBColor($lr, $lg, $lb);)*
        const PAIRS: &[Pair] = &[$(Pair(RGBColor($lr, $lg, $lb), RGBColor($dr, $dg, $db)),)*];
    };
}

colors! {
    BACKGROUND: (0xff, 0xff, 0xff) (0x0d, 0x11, 0x17);
    PANEL: (0xf6, 0xf8, 0xfa) (0x15, 0x1b, 0x23);
    GRID: (0xd8, 0xde, 0xe4) (0x2f, 0x37, 0x42);
    TEXT: (0x1f, 0x23, 0x28) (0xe6, 0xed, 0xf3);
    FAINT: (0x59, 0x63, 0x6e) (0x91, 0x98, 0xa1);
    GREEN: (0x1a, 0x7f, 0x37) (0x3f, 0xb9, 0x50);
    BLUE: (0x09, 0x69, 0xda) (0x58, 0xa6, 0xff);
    AMBER: (0x9a, 0x67, 0x00) (0xd2, 0x99, 0x22);
    RED: (0xcf, 0x22, 0x2e) (0xff, 0x7b, 0x72);
    PURPLE: (0x82, 0x50, 0xdf) (0xbc, 0x8c, 0xff);
    ORANGE: (0xbc, 0x4c, 0x00) (0xf0, 0x88, 0x3e);
    CYAN: (0x1b, 0x7c, 0x83) (0x39, 0xc5, 0xcf);
    PINK: (0xbf, 0x39, 0x89) (0xf7, 0x78, 0xba);
}

/// For series without a colour of their own.
pub const SERIES: [RGBColor; 8] = [GREEN, ORANGE, BLUE, PURPLE, AMBER, RED, CYAN, PINK];

/// The style sheet for dark pages.
pub(crate) fn dark_style() -> String {
    let hex = |color: &RGBColor| format!("#{:02X}{:02X}{:02X}", color.0, color.1, color.2);
    let rules: String = PAIRS
        .iter()
        .flat_map(|Pair(light, dark)| {
            ["fill", "stroke"]
                .map(|what| format!("[{what}=\"{}\"]{{{what}:{}}}", hex(light), hex(dark)))
        })
        .collect();
    format!("<style>@media (prefers-color-scheme:dark){{{rules}}}</style>")
}
