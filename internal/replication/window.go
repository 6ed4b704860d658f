package replication

import (
	"context"
	"time"

	"go.uber.org/zap"

	"mongoferry/internal/migration"
	"mongoferry/internal/mongodb"
)

const windowEvery = 10 * time.Second

// oplogWindow is what the source's oplog means to a position. That it has been
// lost is the change stream's to tell.
func oplogWindow(ctx context.Context, src *mongodb.Client, log *zap.Logger, at migration.OpTime) migration.OplogWindow {
	oplog, err := mongodb.ReadOplog(ctx, src)
	if err != nil {
		log.Debug("the oplog window is not known", zap.Error(err))
		return migration.OplogWindow{Unreadable: migration.KindOf(err) == migration.AccessDenied}
	}
	return oplog.Window(at)
}
