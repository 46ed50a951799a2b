//! Memory of the server's that is given back as a whole.

use pgrx::pg_sys;

/// For what is allocated at each turn of a loop. Goes with the context that was current when it was made.
pub struct Scratch(pg_sys::MemoryContext);

impl Scratch {
    pub fn new() -> Self {
        // SAFETY: a child of the current context, under a name that is never freed; the sizes are the server's small ones.
        Self(unsafe {
            pg_sys::AllocSetContextCreateInternal(
                pg_sys::CurrentMemoryContext,
                c"analytics_ext: a row".as_ptr(),
                pg_sys::ALLOCSET_SMALL_MINSIZE as usize,
                pg_sys::ALLOCSET_SMALL_INITSIZE as usize,
                pg_sys::ALLOCSET_DEFAULT_MAXSIZE as usize,
            )
        })
    }

    /// Nothing that `work` allocates from the server may be used after it. Should it raise, the handler of the error switches
    /// back.
    pub fn run<R>(&mut self, work: impl FnOnce() -> R) -> R {
        // SAFETY: the context lives as long as its parent, which was current when this was made.
        let before = unsafe { pg_sys::MemoryContextSwitchTo(self.0) };
        let result = work();
        // SAFETY: back to where we came from, before what was allocated goes.
        unsafe {
            pg_sys::MemoryContextSwitchTo(before);
            pg_sys::MemoryContextReset(self.0);
        }
        result
    }
}
