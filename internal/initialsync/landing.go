package initialsync

import "sync"

// landing puts the batches that several writers have written in their order: progress
// is up to the first that is still under way.
type landing struct {
	mu     sync.Mutex
	done   Progress
	next   int
	early  map[int]batch
	report func(Progress)
}

// add takes in a batch that is durable on the destination.
func (l *landing) add(b batch) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.early == nil {
		l.early = map[int]batch{}
	}
	l.early[b.number] = b
	from := l.next
	for b, ok := l.early[l.next]; ok; b, ok = l.early[l.next] {
		delete(l.early, l.next)
		l.next++
		l.done.LastID = b.lastID
		l.done.Documents += b.count
		l.done.Bytes += b.bytes
	}
	if l.next > from {
		l.report(l.done)
	}
}
