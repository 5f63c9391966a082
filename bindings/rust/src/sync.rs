//! Channels between tasks.

/// Many senders, one receiver.
pub mod mpsc {
    use crate::macros::PollFn;
    use crate::task::poll_proceed;
    use alloc::collections::VecDeque;
    use alloc::rc::Rc;
    use core::cell::RefCell;
    use core::task::{Poll, Waker};

    struct Channel<T> {
        queue: VecDeque<T>,
        capacity: usize,
        senders: usize,
        is_closed: bool,
        receiver: Option<Waker>,
        /// Those who wait for room, in their order, each with its ticket.
        waiting: VecDeque<(u64, Waker)>,
        next_ticket: u64,
    }

    impl<T> Channel<T> {
        fn room(&self) -> bool {
            self.queue.len() < self.capacity
        }

        fn wake_receiver(&mut self) {
            if let Some(waker) = self.receiver.take() {
                waker.wake();
            }
        }
    }

    /// Nobody can receive it any more.
    #[derive(Debug, PartialEq, Eq)]
    pub struct SendError<T>(pub T);

    /// Why `try_send` gave the value back.
    #[derive(Debug, PartialEq, Eq)]
    pub enum TrySendError<T> {
        /// No room.
        Full(T),
        /// No receiver.
        Closed(T),
    }

    /// Why `try_recv` has nothing.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum TryRecvError {
        /// Not now.
        Empty,
        /// Never again.
        Disconnected,
    }

    /// Sends into a bounded channel.
    pub struct Sender<T>(Rc<RefCell<Channel<T>>>);
    /// Sends without ever waiting.
    pub struct UnboundedSender<T>(Sender<T>);
    /// Receives.
    pub struct Receiver<T>(Rc<RefCell<Channel<T>>>);
    /// Receives from an unbounded channel.
    pub type UnboundedReceiver<T> = Receiver<T>;

    /// A channel with room for `capacity` messages.
    ///
    /// # Panics
    /// When `capacity` is 0.
    pub fn channel<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
        assert!(capacity > 0, "mpsc bounded channel requires buffer > 0");
        let channel = Rc::new(RefCell::new(Channel {
            queue: VecDeque::new(),
            capacity,
            senders: 1,
            is_closed: false,
            receiver: None,
            waiting: VecDeque::new(),
            next_ticket: 0,
        }));
        (Sender(channel.clone()), Receiver(channel))
    }

    /// A channel without a limit.
    pub fn unbounded_channel<T>() -> (UnboundedSender<T>, UnboundedReceiver<T>) {
        let (sender, receiver) = channel(usize::MAX);
        (UnboundedSender(sender), receiver)
    }

    impl<T> Sender<T> {
        /// Sends at once or not at all.
        pub fn try_send(&self, value: T) -> Result<(), TrySendError<T>> {
            let mut channel = self.0.borrow_mut();
            if channel.is_closed {
                return Err(TrySendError::Closed(value));
            }
            if !channel.room() || !channel.waiting.is_empty() {
                return Err(TrySendError::Full(value));
            }
            channel.queue.push_back(value);
            channel.wake_receiver();
            Ok(())
        }

        /// Waits for room, first come first served, and sends. Cancel safe: dropped, nothing was sent.
        pub async fn send(&self, value: T) -> Result<(), SendError<T>> {
            let mut value = Some(value);
            let mut place = Place { channel: &self.0, ticket: None };
            PollFn(|cx: &mut core::task::Context<'_>| {
                if poll_proceed(cx).is_pending() {
                    return Poll::Pending;
                }
                let mut channel = place.channel.borrow_mut();
                if channel.is_closed {
                    return Poll::Ready(Err(SendError(value.take().unwrap())));
                }
                let first = match place.ticket {
                    None => channel.waiting.is_empty(),
                    Some(ticket) => channel.waiting.front().map_or(true, |(front, _)| *front == ticket),
                };
                if first && channel.room() {
                    if place.ticket.take().is_some() {
                        channel.waiting.pop_front();
                    }
                    channel.queue.push_back(value.take().unwrap());
                    channel.wake_receiver();
                    if channel.room() {
                        if let Some((_, waker)) = channel.waiting.front() {
                            waker.wake_by_ref();
                        }
                    }
                    return Poll::Ready(Ok(()));
                }
                let waker = cx.waker().clone();
                match place.ticket {
                    Some(ticket) => {
                        if let Some(entry) = channel.waiting.iter_mut().find(|(other, _)| *other == ticket) {
                            entry.1 = waker;
                        }
                    }
                    None => {
                        let ticket = channel.next_ticket;
                        channel.next_ticket += 1;
                        channel.waiting.push_back((ticket, waker));
                        place.ticket = Some(ticket);
                    }
                }
                Poll::Pending
            })
            .await
        }

        /// Whether the receiver is gone or has closed.
        pub fn is_closed(&self) -> bool {
            self.0.borrow().is_closed
        }
    }

    /// A place in the queue of senders; dropping it gives it up.
    struct Place<'a, T> {
        channel: &'a Rc<RefCell<Channel<T>>>,
        ticket: Option<u64>,
    }

    impl<T> Drop for Place<'_, T> {
        fn drop(&mut self) {
            if let Some(ticket) = self.ticket {
                let mut channel = self.channel.borrow_mut();
                channel.waiting.retain(|(other, _)| *other != ticket);
                if channel.room() {
                    if let Some((_, waker)) = channel.waiting.front() {
                        waker.wake_by_ref();
                    }
                }
            }
        }
    }

    impl<T> Clone for Sender<T> {
        fn clone(&self) -> Self {
            self.0.borrow_mut().senders += 1;
            Sender(self.0.clone())
        }
    }

    impl<T> Drop for Sender<T> {
        fn drop(&mut self) {
            let mut channel = self.0.borrow_mut();
            channel.senders -= 1;
            if channel.senders == 0 {
                channel.wake_receiver();
            }
        }
    }

    impl<T> UnboundedSender<T> {
        /// Sends; fails only without a receiver.
        pub fn send(&self, value: T) -> Result<(), SendError<T>> {
            match self.0.try_send(value) {
                Ok(()) => Ok(()),
                Err(TrySendError::Full(value)) | Err(TrySendError::Closed(value)) => Err(SendError(value)),
            }
        }
    }

    impl<T> Clone for UnboundedSender<T> {
        fn clone(&self) -> Self {
            UnboundedSender(self.0.clone())
        }
    }

    impl<T> Receiver<T> {
        /// The next message; `None` when there is none and no sender is left. Cancel safe.
        pub async fn recv(&mut self) -> Option<T> {
            PollFn(|cx: &mut core::task::Context<'_>| {
                if poll_proceed(cx).is_pending() {
                    return Poll::Pending;
                }
                match self.try_recv() {
                    Ok(value) => Poll::Ready(Some(value)),
                    Err(TryRecvError::Disconnected) => Poll::Ready(None),
                    Err(TryRecvError::Empty) => {
                        self.0.borrow_mut().receiver = Some(cx.waker().clone());
                        Poll::Pending
                    }
                }
            })
            .await
        }

        /// A message that is there.
        pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
            let mut channel = self.0.borrow_mut();
            match channel.queue.pop_front() {
                Some(value) => {
                    if let Some((_, waker)) = channel.waiting.front() {
                        waker.wake_by_ref();
                    }
                    Ok(value)
                }
                None if channel.senders == 0 || channel.is_closed => Err(TryRecvError::Disconnected),
                None => Err(TryRecvError::Empty),
            }
        }

        /// Lets nobody send any more; what was sent can be received.
        pub fn close(&mut self) {
            let mut channel = self.0.borrow_mut();
            channel.is_closed = true;
            for (_, waker) in &channel.waiting {
                waker.wake_by_ref();
            }
        }
    }

    impl<T> Drop for Receiver<T> {
        fn drop(&mut self) {
            self.close();
            let queue = core::mem::take(&mut self.0.borrow_mut().queue);
            drop(queue);
        }
    }
}

/// One message.
pub mod oneshot {
    use alloc::rc::Rc;
    use core::cell::RefCell;
    use core::future::Future;
    use core::pin::Pin;
    use core::task::{Context, Poll, Waker};

    struct Slot<T> {
        value: Option<T>,
        is_sender_gone: bool,
        is_receiver_gone: bool,
        waiter: Option<Waker>,
    }

    /// Sends the one message.
    pub struct Sender<T>(Rc<RefCell<Slot<T>>>);
    /// Is the one message.
    pub struct Receiver<T>(Rc<RefCell<Slot<T>>>);

    /// The sender was dropped without sending.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct RecvError(());

    /// A channel for one message.
    pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
        let slot = Rc::new(RefCell::new(Slot { value: None, is_sender_gone: false, is_receiver_gone: false, waiter: None }));
        (Sender(slot.clone()), Receiver(slot))
    }

    impl<T> Sender<T> {
        /// Sends; gives the value back if nobody waits for it any more.
        pub fn send(self, value: T) -> Result<(), T> {
            let mut slot = self.0.borrow_mut();
            if slot.is_receiver_gone {
                return Err(value);
            }
            slot.value = Some(value);
            Ok(())                                         // dropping the sender wakes the receiver
        }

        /// Whether the receiver is gone.
        pub fn is_closed(&self) -> bool {
            self.0.borrow().is_receiver_gone
        }
    }

    impl<T> Drop for Sender<T> {
        fn drop(&mut self) {
            let waiter = {
                let mut slot = self.0.borrow_mut();
                slot.is_sender_gone = true;
                slot.waiter.take()
            };
            if let Some(waiter) = waiter {
                waiter.wake();
            }
        }
    }

    impl<T> Future for Receiver<T> {
        type Output = Result<T, RecvError>;

        fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
            let mut slot = self.0.borrow_mut();
            if let Some(value) = slot.value.take() {
                return Poll::Ready(Ok(value));
            }
            if slot.is_sender_gone {
                return Poll::Ready(Err(RecvError(())));
            }
            slot.waiter = Some(cx.waker().clone());
            Poll::Pending
        }
    }

    impl<T> Drop for Receiver<T> {
        fn drop(&mut self) {
            self.0.borrow_mut().is_receiver_gone = true;
        }
    }
}
