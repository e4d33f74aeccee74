//! Tables for people: aligned columns, grouped digits, sizes and times with their units.

use crate::printable;

/// The alignment of a column's cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    /// Text.
    Left,
    /// Numbers.
    Right,
}

/// The space between two columns.
const GAP: &str = "  ";

/// Rows of cells under their headings.
#[derive(Debug)]
pub struct Table {
    columns: Vec<(&'static str, Align)>,
    rows: Vec<Vec<String>>,
    /// Lines below a row, by its number.
    notes: Vec<(usize, String)>,
}

impl Table {
    /// A table without rows.
    pub fn new(columns: &[(&'static str, Align)]) -> Self {
        Self { columns: columns.to_vec(), rows: Vec::new(), notes: Vec::new() }
    }

    /// Adds a row: a cell for each column. What a terminal would obey is written out.
    pub fn push(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().map(|cell| printable::line(&cell).into_owned()).collect());
    }

    /// Puts `lines` below the row that was pushed last, as they are.
    pub fn note(&mut self, lines: String) {
        self.notes.push((self.rows.len(), lines));
    }

    /// Cuts the cells of the last column so that no line is longer than `columns`, and says so with `…`.
    pub(crate) fn cut_to(&mut self, columns: usize) {
        let last = self.columns.len() - 1;
        let before: usize = (0..last).map(|column| self.width(column) + GAP.len()).sum();
        let room = columns.saturating_sub(before).max(self.columns[last].0.chars().count());
        for row in &mut self.rows {
            let cell = &mut row[last];
            if cell.chars().count() > room
                && let Some((end, _)) = cell.char_indices().nth(room - 1)
            {
                cell.truncate(end);
                cell.push('…');
            }
        }
    }

    fn width(&self, column: usize) -> usize {
        let cells = self.rows.iter().map(|row| row[column].chars().count());
        cells.chain([self.columns[column].0.chars().count()]).max().unwrap_or(0)
    }

    /// Headings and rows, a line each; nothing without rows.
    pub fn text(&self) -> String {
        if self.rows.is_empty() {
            return String::new();
        }
        let headings: Vec<String> = self.columns.iter().map(|(heading, _)| (*heading).to_owned()).collect();
        let widths: Vec<usize> = (0..self.columns.len()).map(|column| self.width(column)).collect();
        let mut out = String::new();
        for (number, line) in std::iter::once(&headings).chain(&self.rows).enumerate() {
            let cells = line.iter().zip(&widths).zip(&self.columns);
            let cells = cells.map(|((cell, width), (_, align))| match align {
                Align::Left => format!("{cell:<width$}"),
                Align::Right => format!("{cell:>width$}"),
            });
            out.push_str(cells.collect::<Vec<_>>().join(GAP).trim_end());
            out.push('\n');
            for (_, lines) in self.notes.iter().filter(|(row, _)| *row == number) {
                out.push_str(lines);
                out.push('\n');
            }
        }
        out
    }
}

/// `1234567` as `1,234,567`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A number to two or three digits: `999`, `8.6 k`, `11.4 M`, `114 M`.
pub fn short(number: u64) -> String {
    let (mut count, mut unit) = (number as f64, "");
    for next in ["k", "M", "G", "T", "P", "E"] {
        if count < if unit.is_empty() { 1000.0 } else { 999.5 } {
            break;
        }
        (count, unit) = (count / 1000.0, next);
    }
    match unit {
        "" => number.to_string(),
        _ if count < 99.95 => format!("{count:.1} {unit}"),
        _ => format!("{count:.0} {unit}"),
    }
}

/// A time span in its two largest units.
pub fn span(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds / 3600 % 24),
    }
}

/// A time span of `seconds`, in milliseconds, in seconds, or in its two largest units.
pub fn time(seconds: f64) -> String {
    match seconds {
        ..=0.0 => "0 s".to_owned(),
        ..0.0095 => format!("{:.1} ms", seconds * 1e3),
        ..0.9995 => format!("{:.0} ms", seconds * 1e3),
        ..59.95 => format!("{seconds:.1} s"),
        // What is no number, or beyond all clocks, is cut to what can be shown.
        _ => span(seconds.round() as u64),
    }
}

/// So many bytes in the largest unit of which there is one, to three digits.
pub fn size(bytes: i64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let mut count = bytes as f64;
    let mut unit = "B";
    for next in UNITS {
        if count.abs() < 999.5 {
            break;
        }
        (count, unit) = (count / 1024.0, next);
    }
    let digits = match count.abs() {
        _ if unit == "B" => 0,
        ..9.995 => 2,
        ..99.95 => 1,
        _ => 0,
    };
    format!("{count:.digits$} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Breaks without it: a count of seven digits has to be counted with a finger.
    #[test]
    fn digits_are_grouped_by_three() {
        let grouped = [0, 12, 999, 1000, 1_234_567].map(grouped);
        assert_eq!(grouped, ["0", "12", "999", "1,000", "1,234,567"]);
    }

    /// Breaks without it: a number is rounded to `1000 k`, or the largest one has no unit.
    #[test]
    fn short_numbers() {
        let numbers =
            [0, 999, 1000, 8_600, 99_949, 99_950, 999_499, 999_500, 11_400_000, 114_000_000, u64::MAX];
        let expected =
            ["0", "999", "1.0 k", "8.6 k", "99.9 k", "100 k", "999 k", "1.0 M", "11.4 M", "114 M", "18.4 E"];
        assert_eq!(numbers.map(short), expected);
    }

    /// Breaks without it: how long an engine has been up is shown in seconds, or with its smaller unit wrong.
    #[test]
    fn spans_have_two_units() {
        let spans = [59, 61, 3661, 90_000].map(span);
        assert_eq!(spans, ["59 s", "1 min 1 s", "1 h 1 min", "1 d 1 h"]);
    }

    /// Breaks without it: a time just below a unit is shown as 1000 of the smaller one, or as nothing.
    #[test]
    fn times_have_the_unit_that_suits_them() {
        let times = [0.0, 0.000_01, 0.0042, 0.25, 0.9999, 1.0, 59.94, 59.96, 75.4, 90_000.0].map(time);
        let expected = [
            "0 s",
            "0.0 ms",
            "4.2 ms",
            "250 ms",
            "1.0 s",
            "1.0 s",
            "59.9 s",
            "1 min 0 s",
            "1 min 15 s",
            "1 d 1 h",
        ];
        assert_eq!(times, expected);
    }

    /// Breaks without it: a size has a digit too few to compare it, or an overdrawn credit loses its sign.
    #[test]
    fn sizes_have_three_digits() {
        let sizes = [0, 999, 1000, 1024, 98_765_360, -3_000_000, i64::MAX].map(size);
        assert_eq!(sizes, ["0 B", "999 B", "0.98 KiB", "1.00 KiB", "94.2 MiB", "-2.86 MiB", "8.00 EiB"]);
    }

    /// Breaks without it: a line runs over the edge, or what was cut off is taken for the whole.
    #[test]
    fn the_last_column_is_cut_and_says_so() {
        let mut table = Table::new(&[("N", Align::Right), ("ERROR", Align::Left)]);
        table.push(["1".to_owned(), "0123456789".to_owned()]);
        table.note("    below".to_owned());
        table.push(["2".to_owned(), "01234567".to_owned()]);
        table.cut_to(11);
        assert_eq!(table.text(), "N  ERROR\n1  0123456…\n    below\n2  01234567\n");
    }

    /// Breaks without it: an exception's text clears the screen, or numbers of different lengths stand below
    /// each other's wrong digits.
    #[test]
    fn columns_are_aligned_and_nothing_can_talk_to_the_terminal() {
        let mut table = Table::new(&[("NAME", Align::Left), ("N", Align::Right), ("ERROR", Align::Left)]);
        assert_eq!(table.text(), "");
        table.push(["a".to_owned(), "1,000".to_owned(), "x\x1b[2Jy\n".to_owned()]);
        table.push(["long name".to_owned(), "2".to_owned(), String::new()]);
        let expected =
            ["NAME           N  ERROR\n", "a          1,000  x\\u{1b}[2Jy\\n\n", "long name      2\n"];
        assert_eq!(table.text(), expected.concat());
    }
}
