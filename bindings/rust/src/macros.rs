//! `join!` and `select!`, and what they expand to.

pub use alloc::vec::Vec;
use core::cell::Cell;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};

/// One of the futures of a `join!`.
pub enum Maybe<F: Future> {
    /// Not ready yet.
    Running(F),
    /// Its value.
    Done(F::Output),
    /// Its value was taken.
    Taken,
}

impl<F: Future> Maybe<F> {
    /// Polls it if need be. Whether it is done.
    pub fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> bool {
        // The future is never moved: it is polled in place, and dropped in place when it is done.
        let this = unsafe { self.get_unchecked_mut() };
        if let Maybe::Running(future) = this {
            match unsafe { Pin::new_unchecked(future) }.poll(cx) {
                Poll::Ready(value) => *this = Maybe::Done(value),
                Poll::Pending => return false,
            }
        }
        true
    }

    /// The value of one that is done.
    pub fn take(self: Pin<&mut Self>) -> F::Output {
        match core::mem::replace(unsafe { self.get_unchecked_mut() }, Maybe::Taken) {
            Maybe::Done(value) => value,
            _ => unreachable!(),
        }
    }
}

/// A future of a closure.
pub struct PollFn<P>(pub P);

impl<P> Unpin for PollFn<P> {}

impl<T, P: FnMut(&mut Context<'_>) -> Poll<T>> Future for PollFn<P> {
    type Output = T;
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        (self.0)(cx)
    }
}

struct Seed(Cell<u32>);
unsafe impl Sync for Seed {}
static SEED: Seed = Seed(Cell::new(0x9e37_79b9));

/// Where a `select!` begins.
pub fn random_below(limit: u32) -> u32 {
    let mut x = SEED.0.get();
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    SEED.0.set(x);
    x % limit
}

/// Which branch of a `select!` came first.
pub enum Branch<A, B = (), C = (), D = ()> {
    /// The first.
    A(A),
    /// The second.
    B(B),
    /// The third.
    C(C),
    /// The fourth.
    D(D),
}

/// Polls futures side by side and gives all values as a tuple.
#[macro_export]
macro_rules! join {
    ($($future:expr),+ $(,)?) => { $crate::__join!([] $($future,)+) };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __join {
    ([] $a:expr,) => { ($a.await,) };
    ([] $a:expr, $b:expr,) => { $crate::__join!(@go (a $a) (b $b)) };
    ([] $a:expr, $b:expr, $c:expr,) => { $crate::__join!(@go (a $a) (b $b) (c $c)) };
    ([] $a:expr, $b:expr, $c:expr, $d:expr,) => { $crate::__join!(@go (a $a) (b $b) (c $c) (d $d)) };
    ([] $a:expr, $b:expr, $c:expr, $d:expr, $e:expr,) => { $crate::__join!(@go (a $a) (b $b) (c $c) (d $d) (e $e)) };
    (@go $(($name:ident $future:expr))+) => {{
        $(let mut $name = $crate::macros::Maybe::Running($future);)+
        // Shadowed at once: nobody can move them any more.
        $(let mut $name = unsafe { ::core::pin::Pin::new_unchecked(&mut $name) };)+
        $crate::macros::PollFn(move |cx: &mut ::core::task::Context<'_>| {
            let mut done = true;
            $(done &= $name.as_mut().poll(cx);)+
            if done { ::core::task::Poll::Ready(($($name.as_mut().take(),)+)) } else { ::core::task::Poll::Pending }
        }).await
    }};
}

/// Waits for the first of two to four futures, and drops the others. Begins at a random one, or with `biased;` in the
/// order written. `pattern = future => expression,`
#[macro_export]
macro_rules! select {
    (biased; $($rest:tt)+) => { $crate::__select!(0; $($rest)+) };
    ($($rest:tt)+) => { $crate::__select!(1; $($rest)+) };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __select {
    ($random:expr; $pa:pat = $fa:expr => $ha:expr, $pb:pat = $fb:expr => $hb:expr $(,)?) => {
        $crate::__select!(@go $random, 2; (0 A a $pa, $fa, $ha) (1 B b $pb, $fb, $hb) => $crate::macros::Branch<_, _>; {
            $crate::macros::Branch::C(()) | $crate::macros::Branch::D(()) => unreachable!(),
        })
    };
    ($random:expr; $pa:pat = $fa:expr => $ha:expr, $pb:pat = $fb:expr => $hb:expr, $pc:pat = $fc:expr => $hc:expr $(,)?) => {
        $crate::__select!(@go $random, 3; (0 A a $pa, $fa, $ha) (1 B b $pb, $fb, $hb) (2 C c $pc, $fc, $hc) => $crate::macros::Branch<_, _, _>; {
            $crate::macros::Branch::D(()) => unreachable!(),
        })
    };
    ($random:expr; $pa:pat = $fa:expr => $ha:expr, $pb:pat = $fb:expr => $hb:expr, $pc:pat = $fc:expr => $hc:expr, $pd:pat = $fd:expr => $hd:expr $(,)?) => {
        $crate::__select!(@go $random, 4; (0 A a $pa, $fa, $ha) (1 B b $pb, $fb, $hb) (2 C c $pc, $fc, $hc) (3 D d $pd, $fd, $hd) => $crate::macros::Branch<_, _, _, _>; {})
    };
    (@go $random:expr, $count:expr; $(($index:tt $branch:ident $name:ident $pattern:pat, $future:expr, $handler:expr))+ => $kind:ty; { $($other:tt)* }) => {{
        let first: $kind = {
            $(let mut $name = $future;)+
            // Shadowed at once: nobody can move them any more.
            $(let mut $name = unsafe { ::core::pin::Pin::new_unchecked(&mut $name) };)+
            $crate::macros::PollFn(|cx: &mut ::core::task::Context<'_>| {
                let start: u32 = if $random == 0 { 0 } else { $crate::macros::random_below($count) };
                for step in 0..$count {
                    match (start + step) % $count {
                        $($index => if let ::core::task::Poll::Ready(value) = ::core::future::Future::poll($name.as_mut(), cx) {
                            return ::core::task::Poll::Ready($crate::macros::Branch::$branch(value));
                        },)+
                        _ => unreachable!(),
                    }
                }
                ::core::task::Poll::Pending
            }).await
        };
        #[allow(unreachable_patterns)]
        match first {
            $($crate::macros::Branch::$branch($pattern) => $handler,)+
            $($other)*
        }
    }};
}
