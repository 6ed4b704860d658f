package devstack

import "syscall"

// memory is a file system in memory, on most Linux systems.
const memory = "/dev/shm"

// memoryEnough is what the servers of tests may need in it, in bytes.
const memoryEnough = 10 << 30

// inMemory is the parent of the servers' data in tests: they wait for the disk after
// every write otherwise, for data that nobody keeps. It is "" where there is no room.
func inMemory() string {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(memory, &fs); err != nil || fs.Bavail*uint64(fs.Bsize) < memoryEnough {
		return ""
	}
	if syscall.Access(memory, 2) != nil {
		return ""
	}
	return memory
}
