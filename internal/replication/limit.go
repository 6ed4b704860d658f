package replication

import "context"

// Limiter bounds how much is applied in a second.
type Limiter interface {
	// Documents is how many of a size may come at once, at least 1.
	Documents(bytesEach int64) int
	// Wait holds until so much may come, or the context ends.
	Wait(ctx context.Context, documents, bytes int64) error
}

// takeAll applies a batch; with a limiter in pieces, each with a checkpoint of its
// own, so that a slow pace does not hold the position up. It says whether it was the
// last one.
func (a *Applier) takeAll(ctx context.Context, b readBatch, until Until) (done bool, err error) {
	for _, piece := range a.pieces(b) {
		if a.Limit != nil {
			if err := a.Limit.Wait(ctx, int64(len(piece.events)), piece.size()); err != nil {
				return false, err
			}
		}
		if err := a.take(ctx, piece); err != nil {
			return false, err
		}
		if until(a.progress) {
			return true, nil
		}
	}
	return false, nil
}

// pieces cuts a batch into what the limiter lets through at once.
func (a *Applier) pieces(b readBatch) []readBatch {
	if a.Limit == nil || len(b.events) == 0 {
		return []readBatch{b}
	}
	n := a.Limit.Documents(b.size() / int64(len(b.events)))
	var out []readBatch
	rest := b.events
	for len(rest) > n {
		last := rest[n-1]
		// More events of the same time may follow.
		out = append(out, readBatch{events: rest[:n], token: last.token, opTime: last.at.Previous()})
		rest = rest[n:]
	}
	return append(out, readBatch{events: rest, token: b.token, opTime: b.opTime})
}

// size is what the events say of documents.
func (b readBatch) size() (n int64) {
	for _, e := range b.events {
		n += int64(len(e.full) + len(e.description))
	}
	return n
}
