// Package growth reckons what a migration costs Temporal as it grows: events,
// workflow tasks, bytes of history and runs. Its tests play the real workflow on a
// real server, with activities that have nothing to do, and hold the reckoning and
// the server's limits against what was written down.
package growth

import "time"

// Temporal's own limits, as a server has them unless it was told otherwise. A
// history that passes the first of each pair is warned of, at the second it ends.
const (
	WarnEvents    = 10_240
	MaxEvents     = 51_200
	WarnBytes     = 10 << 20
	MaxBytes      = 50 << 20
	WarnPayload   = 512 << 10
	MaxPayload    = 2 << 20
	MaxPending    = 2_000
	SuggestEvents = 4_096
	SuggestBytes  = 4 << 20
)

// What the plan makes of data and collections; see package partition.
const (
	partBytes   = 128 << 20
	maxParts    = 1024
	bundleParts = 200
	indexBundle = 100
)

// What one thing adds to a history at most, in bytes: a unit of the copy and an
// activity of the sync, whose positions hold resume tokens, each with the workflow
// task that its end brings; and the memo with its task. The tests measure them.
const (
	unitBytes = 1_800
	syncBytes = 4_500
	memoBytes = 3_500
)

// eventsPerActivity are scheduled, started and completed, and those of the workflow
// task that follows.
const eventsPerActivity = 6

// again is how many activities a run interrupts at its end, to be gone on with in the
// next: the copies under way and the watch of the oplog.
const again = 5

// Migration is what is to be moved, and how long it takes.
type Migration struct {
	Bytes       int64
	Collections int
	// Indexed are the small collections that have secondary indexes.
	Indexed int
	// Copying and Ready are how long the phases last.
	Copying, Ready time.Duration
}

// Units is how many pieces the copy is planned in: a large collection in parts, small
// ones by hundreds.
func (m Migration) Units() int {
	size := max(partBytes, m.Bytes/maxParts)
	return int((m.Bytes+size-1)/size) + (m.Collections+bundleParts-1)/bundleParts
}

// Bundles is how many pieces the index builds of small collections are planned in.
func (m Migration) Bundles() int { return (m.Indexed + indexBundle - 1) / indexBundle }

// Cost is what Temporal is asked to hold, over all runs together.
type Cost struct {
	Activities, Events, Tasks, Runs int
	Bytes                           int64
}

// Cost is at most what the migration costs: it is less when several activities end
// within one workflow task. In ready, a slice of the sync and a look at the indexes
// take a minute each in turn at least; the memo is written once a minute.
func (m Migration) Cost() Cost {
	const steps = 15 // validate, claim, prepare … clean up
	minutes := int(m.Ready / time.Minute)
	watches := int(m.Copying/(5*time.Minute)) + 1
	copying, syncing := m.Units()+m.Bundles()+watches, steps+2*minutes
	activities := copying + syncing
	memos := 20 + minutes + int(m.Copying/time.Minute)
	events := eventsPerActivity*activities + 2*memos // with the search attributes
	bytes := int64(copying)*unitBytes + int64(syncing)*syncBytes + int64(memos)*memoBytes
	runs := 1 + max(events/SuggestEvents, int(bytes/SuggestBytes))
	activities += again * runs
	return Cost{
		Activities: activities, Events: events + (eventsPerActivity*again+8)*runs, Tasks: activities + runs, Runs: runs,
		Bytes: bytes + int64(runs)*(again*unitBytes+memoBytes),
	}
}
