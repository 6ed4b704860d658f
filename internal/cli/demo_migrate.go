package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"mongoferry/internal/migration"
)

const (
	// demoCutovers is how often a cutover is tried: the clients' index builds
	// may stand against it for a moment.
	demoCutovers = 10
	// demoSync is how long the continuous sync is shown before the cutover.
	demoSync = 5 * time.Second
	// openedEvery is how often the demo asks whether the destination is open:
	// the precision of what it measures.
	openedEvery = 10 * time.Millisecond
)

// migrate follows the migration to its end: extends the timer once, lets it sync
// for a while, and cuts over.
func (d *demonstration) migrate(ctx context.Context) (migration.Status, error) {
	if _, err := d.until(ctx, func(s migration.Status) bool { return s.Phase == migration.Ready }); err != nil {
		return migration.Status{}, err
	}
	result, err := d.send(ctx, demoID, migration.MessageExtend, migration.Tuning{}, true)
	if err != nil {
		return migration.Status{}, err
	}
	d.app.say("extend: %s", result)
	end := time.Now().Add(demoSync)
	if _, err := d.until(ctx, func(migration.Status) bool { return time.Now().After(end) }); err != nil {
		return migration.Status{}, err
	}
	d.app.say("cutting over")
	for range demoCutovers {
		final, err := d.cutOverOnce(ctx)
		if err != nil || final.Phase == migration.Completed {
			return final, err
		}
	}
	return migration.Status{}, fmt.Errorf("%d cutovers were backed out or refused", demoCutovers)
}

// cutOverOnce ends in ready when the cutover was refused or backed out; the
// notice that says why is among the progress.
func (d *demonstration) cutOverOnce(ctx context.Context) (migration.Status, error) {
	opened, stop := context.WithCancel(ctx)
	defer stop()
	go d.tellWhenOpen(opened)
	if _, err := d.send(ctx, demoID, migration.MessageCutover, migration.Tuning{}, true); err != nil {
		d.app.say("%s", oneLine(err))
	}
	return d.until(ctx, func(s migration.Status) bool { return s.Phase.Ended() || s.Phase == migration.Ready })
}

// tellWhenOpen tells the application when the destination accepts writes.
func (d *demonstration) tellWhenOpen(ctx context.Context) {
	for ctx.Err() == nil {
		s, err := d.query(ctx, demoID)
		if err == nil && s.Cutover.WritesAcceptedAt != "" {
			d.application.Opened()
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(openedEvery):
		}
	}
}

// until shows the progress until the migration is as wanted. An end that is not
// a completion is an error.
func (d *demonstration) until(ctx context.Context, wanted func(migration.Status) bool) (migration.Status, error) {
	o, err := d.follow(ctx, demoID, d.progress, func(o observed) bool {
		if o.status.Phase.Syncing() {
			d.maxLag = max(d.maxLag, o.status.Replication.LagSeconds)
		}
		return o.fresh && wanted(o.status)
	})
	if err != nil {
		return o.status, err
	}
	if o.closed && o.status.Phase != migration.Completed {
		return o.status, errors.New("the migration has ended: " + endText(o.status))
	}
	return o.status, nil
}
