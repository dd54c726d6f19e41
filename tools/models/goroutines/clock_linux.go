package main

import (
	"syscall"
	"time"
	"unsafe"
)

// threadTime is the CPU time that this thread has had. The times of getrusage would not do: of a
// thread that runs they are brought up to date a few hundred times a second.
func threadTime() time.Duration {
	const threadClock = 3 // CLOCK_THREAD_CPUTIME_ID
	var now syscall.Timespec
	_, _, failed := syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, threadClock, uintptr(unsafe.Pointer(&now)), 0)
	if failed != 0 {
		return time.Duration(time.Now().UnixNano())
	}
	return time.Duration(now.Nano())
}
