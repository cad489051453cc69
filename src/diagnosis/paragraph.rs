//! A diagnosis as a paragraph, to be pasted into a log or a support case.

use std::fmt;

use super::{Diagnosis, meaning, outcome::Outcome};

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.refusal, &self.outcome) {
            (Some(refusal), _) => {
                write!(f, "Salesforce refused the request: {}", meaning(refusal.verdict))?;
                match (&refusal.code, &refusal.message) {
                    (Some(code), Some(message)) => write!(f, " ({code}: {message}).")?,
                    (Some(text), None) | (None, Some(text)) => write!(f, " ({text}).")?,
                    (None, None) => f.write_str(".")?,
                }
            }
            (None, Outcome::Examined) => f.write_str(match self.facts.probes.read {
                Some(Ok(())) => "Salesforce accepts the session.",
                _ => "Salesforce did not say whether it accepts the session.",
            })?,
            (None, _) => f.write_str("The request was not sent.")?,
        }
        write!(f, " {}", self.outcome)?;
        self.write_causes(f)?;
        if let Some(retry_after) = self.retry_after() {
            // Rounded up: an attempt a moment too early is one for nothing.
            write!(f, " Another attempt makes sense in {} s.", retry_after.as_millis().div_ceil(1000))?;
        }
        if let Some(generation) = self.generation() {
            write!(f, " (Token generation {generation} of this process.)")?;
        }
        Ok(())
    }
}

impl Diagnosis {
    fn write_causes(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let causes = self.causes();
        let Some((first, others)) = causes.split_first() else { return Ok(()) };
        write!(f, " Likeliest cause: {} ({} confidence", first.cause, first.confidence)?;
        for (at, evidence) in first.because.iter().enumerate() {
            write!(f, "{}{evidence}", if at == 0 { ": " } else { "; " })?;
        }
        f.write_str(").")?;
        for (at, other) in others.iter().enumerate() {
            write!(
                f,
                "{}{} ({})",
                if at == 0 { " Also possible: " } else { "; " },
                other.cause,
                other.confidence
            )?;
        }
        if !others.is_empty() {
            f.write_str(".")?;
        }
        let advice = first.cause.advice();
        write!(f, " The app's owner: {}. The org's admin: {}", advice.owner, advice.admin)?;
        match advice.setup {
            Some(setup) => write!(f, " ({setup})."),
            None => f.write_str("."),
        }
    }
}
