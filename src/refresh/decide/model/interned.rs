//! Values and their numbers.

use std::{collections::HashMap, hash::Hash, rc::Rc};

/// Gives equal values equal numbers: a world of numbers is small, and quick to copy, compare and hash.
pub(super) struct Interned<T> {
    numbers: HashMap<Rc<T>, u32>,
    values: Vec<Rc<T>>,
}

impl<T: Eq + Hash> Interned<T> {
    pub(super) fn new() -> Self {
        Self { numbers: HashMap::new(), values: Vec::new() }
    }

    pub(super) fn number(&mut self, value: T) -> u32 {
        if let Some(number) = self.numbers.get(&value) {
            return *number;
        }
        let number = u32::try_from(self.values.len()).unwrap();
        let value = Rc::new(value);
        self.numbers.insert(Rc::clone(&value), number);
        self.values.push(value);
        number
    }

    pub(super) fn get(&self, number: u32) -> &Rc<T> {
        &self.values[number as usize]
    }

    pub(super) fn len(&self) -> usize {
        self.values.len()
    }
}
