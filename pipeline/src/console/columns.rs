//! Rows of cells as text, each column as wide as its widest cell.

/// Rows with two spaces between columns and none at the end of a line.
///
/// Widths count characters. They are filled by hand: `format!` gives up on cells of more than 65 535.
pub fn columns<const N: usize>(rows: &[[String; N]]) -> Vec<String> {
    let width = |cell: &String| cell.chars().count();
    let widths: [usize; N] = std::array::from_fn(|column| rows.iter().map(|row| width(&row[column])).max().unwrap_or(0));
    let line = |row: &[String; N]| {
        let mut line = String::new();
        for (cell, &wanted) in row.iter().zip(&widths) {
            line.push_str(cell);
            line.push_str(&" ".repeat(wanted - width(cell) + 2));
        }
        line.trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_however_wide_that_is() {
        let rows = [["a", "b", ""], ["long", "é", "c"]].map(|row| row.map(str::to_owned));
        assert_eq!(columns(&rows), ["a     b", "long  é  c"]);
        let rows = [["x".repeat(70_000), "y".to_owned()], [String::new(), "z".to_owned()]];
        assert_eq!(columns(&rows)[1].len(), 70_003);
    }
}
