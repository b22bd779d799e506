//! Errors as text for a person.

/// An error with its causes, one to a line, hints last.
pub fn error_text(error: &anyhow::Error) -> String {
    let mut lines = Vec::new();
    let mut hints = Vec::new();
    for cause in error.chain() {
        // A context that is a hint alone does not take the place of the error.
        let mut lead = if lines.is_empty() { "error: " } else { "  because " };
        for line in cause.to_string().lines() {
            if line.trim_start().starts_with("hint:") {
                hints.push(line.trim_start().to_owned());
            } else {
                lines.push(format!("{lead}{line}"));
                lead = "";
            }
        }
    }
    lines.extend(hints);
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_follow_their_error_and_hints_come_last() {
        let error = anyhow::anyhow!("`x` is too large\nhint: try a smaller one").context("cannot plan\nhint: look at the spec");
        assert_eq!(error_text(&error), "error: cannot plan\n  because `x` is too large\nhint: look at the spec\nhint: try a smaller one");
    }

    #[test]
    fn an_error_whose_context_is_a_hint_alone_begins_as_any_other() {
        let error = anyhow::anyhow!("no such file").context("cannot read `x`").context("hint: run it first");
        assert_eq!(error_text(&error), "error: cannot read `x`\n  because no such file\nhint: run it first");
    }
}
