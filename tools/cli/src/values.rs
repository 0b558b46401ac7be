//! Parsers for option values, for clap's `value_parser`. Each says which values it takes.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;

use clap::builder::TypedValueParser;

/// A number within a range; NaN is out of every range.
pub fn number<T>(range: RangeInclusive<T>) -> impl TypedValueParser<Value = T>
where
    T: FromStr + PartialOrd + Display + Clone + Send + Sync + 'static,
{
    move |text: &str| match text.parse::<T>() {
        Ok(number) if range.contains(&number) => Ok(number),
        _ => Err(format!(
            "expected a number from {} to {}",
            range.start(),
            range.end()
        )),
    }
}

/// 0, which stands for "none", or a number within a range.
pub fn zero_or(range: RangeInclusive<f64>) -> impl TypedValueParser<Value = f64> {
    move |text: &str| match text.parse::<f64>() {
        Ok(number) if number == 0.0 || range.contains(&number) => Ok(number),
        _ => Err(format!(
            "expected 0, or a number from {} to {}",
            range.start(),
            range.end()
        )),
    }
}

pub fn percent() -> impl TypedValueParser<Value = f64> {
    number(0.0..=100.0)
}

/// A time in milliseconds, a minute at most.
pub fn milliseconds() -> impl TypedValueParser<Value = f64> {
    number(0.0..=60_000.0)
}

/// A seed. Some tools count up from it, which must not overflow.
pub fn seed() -> impl TypedValueParser<Value = u64> {
    number(0..=u64::MAX / 2)
}

/// An existing file.
pub fn file() -> impl TypedValueParser<Value = PathBuf> {
    |text: &str| existing(text)
}

/// A name and an existing file.
pub fn named_file() -> impl TypedValueParser<Value = (String, PathBuf)> {
    |text: &str| match text.split_once('=') {
        Some((name, path)) if !name.is_empty() => Ok((name.to_string(), existing(path)?)),
        _ => Err("expected NAME=PATH".to_string()),
    }
}

fn existing(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    match path.metadata() {
        Ok(found) if found.is_file() => Ok(path),
        Ok(_) => Err("expected a file".to_string()),
        Err(error) => Err(error.to_string()),
    }
}
