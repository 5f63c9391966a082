//! Values as bytes, for other threads: numbers, text, lists, options, tuples, and structs of those.
//!
//! Little endian, without gaps: a length is four bytes, an option or a result one byte before what it holds.

use alloc::{string::String, vec::Vec};

/// A value that can go to a thread with a memory of its own. No references, no pointers.
///
/// For a struct: `tokiwa::portable!(Point { x, y });`
pub trait Portable: Sized {
    /// Appends the value's bytes.
    fn write(&self, to: &mut Vec<u8>);
    /// Takes a value from the front; `None` if there is none.
    fn read(from: &mut &[u8]) -> Option<Self>;
}

/// The first `count` bytes.
fn take<'a>(from: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    if from.len() < count {
        return None;
    }
    let (head, tail) = from.split_at(count);
    *from = tail;
    Some(head)
}

macro_rules! numbers {
    ($($type:ty),*) => { $(
        impl Portable for $type {
            fn write(&self, to: &mut Vec<u8>) {
                to.extend_from_slice(&self.to_le_bytes());
            }
            fn read(from: &mut &[u8]) -> Option<Self> {
                let mut bytes = [0; core::mem::size_of::<$type>()];
                bytes.copy_from_slice(take(from, core::mem::size_of::<$type>())?);
                Some(<$type>::from_le_bytes(bytes))
            }
        }
    )* };
}
numbers!(u8, i8, u16, i16, u32, i32, u64, i64, u128, i128, f32, f64);

impl Portable for usize {
    fn write(&self, to: &mut Vec<u8>) {
        (*self as u64).write(to);
    }
    fn read(from: &mut &[u8]) -> Option<Self> {
        u64::read(from).map(|value| value as usize)
    }
}

impl Portable for isize {
    fn write(&self, to: &mut Vec<u8>) {
        (*self as i64).write(to);
    }
    fn read(from: &mut &[u8]) -> Option<Self> {
        i64::read(from).map(|value| value as isize)
    }
}

impl Portable for bool {
    fn write(&self, to: &mut Vec<u8>) {
        to.push(*self as u8);
    }
    fn read(from: &mut &[u8]) -> Option<Self> {
        u8::read(from).map(|value| value != 0)
    }
}

impl Portable for char {
    fn write(&self, to: &mut Vec<u8>) {
        (*self as u32).write(to);
    }
    fn read(from: &mut &[u8]) -> Option<Self> {
        char::from_u32(u32::read(from)?)
    }
}

impl Portable for () {
    fn write(&self, _: &mut Vec<u8>) {}
    fn read(_: &mut &[u8]) -> Option<Self> {
        Some(())
    }
}

impl Portable for String {
    fn write(&self, to: &mut Vec<u8>) {
        (self.len() as u32).write(to);
        to.extend_from_slice(self.as_bytes());
    }
    fn read(from: &mut &[u8]) -> Option<Self> {
        let length = u32::read(from)? as usize;
        Some(core::str::from_utf8(take(from, length)?).ok()?.into())
    }
}

impl<T: Portable> Portable for Vec<T> {
    fn write(&self, to: &mut Vec<u8>) {
        (self.len() as u32).write(to);
        to.reserve(self.len() * core::mem::size_of::<T>());
        for value in self {
            value.write(to);
        }
    }
    fn read(from: &mut &[u8]) -> Option<Self> {
        let length = u32::read(from)? as usize;
        let mut values = Vec::with_capacity(length.min(from.len()));
        for _ in 0..length {
            values.push(T::read(from)?);
        }
        Some(values)
    }
}

impl<T: Portable> Portable for Option<T> {
    fn write(&self, to: &mut Vec<u8>) {
        self.is_some().write(to);
        if let Some(value) = self {
            value.write(to);
        }
    }
    fn read(from: &mut &[u8]) -> Option<Self> {
        Some(if bool::read(from)? { Some(T::read(from)?) } else { None })
    }
}

impl<T: Portable, E: Portable> Portable for Result<T, E> {
    fn write(&self, to: &mut Vec<u8>) {
        self.is_ok().write(to);
        match self {
            Ok(value) => value.write(to),
            Err(error) => error.write(to),
        }
    }
    fn read(from: &mut &[u8]) -> Option<Self> {
        Some(if bool::read(from)? { Ok(T::read(from)?) } else { Err(E::read(from)?) })
    }
}

impl<T: Portable + Copy + Default, const N: usize> Portable for [T; N] {
    fn write(&self, to: &mut Vec<u8>) {
        for value in self {
            value.write(to);
        }
    }
    fn read(from: &mut &[u8]) -> Option<Self> {
        let mut values = [T::default(); N];
        for value in values.iter_mut() {
            *value = T::read(from)?;
        }
        Some(values)
    }
}

macro_rules! tuples {
    ($(($($name:ident),+)),*) => { $(
        #[allow(non_snake_case)]
        impl<$($name: Portable),+> Portable for ($($name,)+) {
            fn write(&self, to: &mut Vec<u8>) {
                let ($($name,)+) = self;
                $($name.write(to);)+
            }
            fn read(from: &mut &[u8]) -> Option<Self> {
                Some(($($name::read(from)?,)+))
            }
        }
    )* };
}
tuples!((A), (A, B), (A, B, C), (A, B, C, D), (A, B, C, D, E), (A, B, C, D, E, F));

/// Makes a struct portable: its name and all of its fields, `portable!(Point { x, y });`.
#[macro_export]
macro_rules! portable {
    ($type:ident { $($field:ident),* $(,)? }) => {
        impl $crate::portable::Portable for $type {
            fn write(&self, to: &mut $crate::macros::Vec<u8>) {
                $($crate::portable::Portable::write(&self.$field, to);)*
            }
            fn read(from: &mut &[u8]) -> Option<Self> {
                Some($type { $($field: $crate::portable::Portable::read(from)?),* })
            }
        }
    };
}
