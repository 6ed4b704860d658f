package demo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// Application is what lives in the source and moves to the destination: its data,
// clients that write all the time, and a judge at the end.
type Application struct {
	source, destination *mongo.Client
	writers             *Writers
	canary              *Canary
}

// Open connects to both clusters.
func Open(sourceURI, destinationURI string) (*Application, error) {
	source, err := mongo.Connect(options.Client().ApplyURI(sourceURI))
	if err != nil {
		return nil, fmt.Errorf("connect to the source: %w", err)
	}
	destination, err := mongo.Connect(options.Client().ApplyURI(destinationURI))
	if err != nil {
		return nil, fmt.Errorf("connect to the destination: %w", err)
	}
	return &Application{source: source, destination: destination}, nil
}

// Fill makes the source's data; see the function of that name.
func (a *Application) Fill(ctx context.Context, documents int) error {
	return Fill(ctx, a.source, documents)
}

// Start begins to write at about the given rate a second, and to change the
// catalog.
func (a *Application) Start(ctx context.Context, rate int) {
	a.writers = StartWriters(ctx, a.source, rate)
	a.canary = StartCanary(ctx, a.source, a.destination)
}

// Opened tells it that the destination accepts writes.
func (a *Application) Opened() { a.canary.Opened() }

// Writing is what came of the writing.
type Writing struct {
	// Acknowledged counts the writes that the source took.
	Acknowledged int64
	// Refused is how long neither side took writes.
	Refused time.Duration
}

// Stop ends the writing, once the canary has found the destination. An error
// other than a refusal that a client met is given here.
func (a *Application) Stop(ctx context.Context) (Writing, error) {
	refused, err := a.canary.Await(ctx)
	count, failed := a.writers.Stop()
	return Writing{Acknowledged: count, Refused: refused}, errors.Join(err, failed)
}

// Judge gives the first differences between both sides, acknowledged writes that
// were lost among them. Nothing may write meanwhile.
func (a *Application) Judge(ctx context.Context) ([]string, error) {
	diffs, err := Compare(ctx, a.source, a.destination, CanaryDB)
	if err != nil {
		return nil, err
	}
	lost, err := a.writers.Lost(ctx, a.destination)
	if err != nil {
		return nil, err
	}
	if len(lost) > 0 {
		diffs = append(diffs, fmt.Sprintf("%d acknowledged writes are lost, the first has _id %d", len(lost), lost[0]))
	}
	return diffs, nil
}

// Close ends the clients, also those that still write.
func (a *Application) Close(ctx context.Context) error {
	if a.writers != nil {
		a.canary.Stop()
		_, _ = a.writers.Stop() // what they met is told by Stop
	}
	return errors.Join(a.source.Disconnect(ctx), a.destination.Disconnect(ctx))
}
