package bench

import (
	"context"
	"errors"

	"mongoferry/internal/mongodb"
)

const (
	jobReplay = "replay"
	jobRaw    = "raw"
	jobStream = "stream"
)

func replayAlone(context.Context, *mongodb.Client, *mongodb.Client, job) (outcome, error) {
	return outcome{}, errors.New("not yet")
}
func replayRaw(context.Context, *mongodb.Client, *mongodb.Client, job) (outcome, error) {
	return outcome{}, errors.New("not yet")
}
func readStream(context.Context, *mongodb.Client, job) (outcome, error) {
	return outcome{}, errors.New("not yet")
}
func (s *suite) replayPart(context.Context) error  { return nil }
func (s *suite) workersPart(context.Context) error { return nil }
func (s *suite) quickPart(ctx context.Context) error {
	set := s.copySets()[0]
	return s.copySet(ctx, "quick.copy.", set)
}
