package workerapp

import (
	"context"
	"fmt"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/sdk/client"
	"go.uber.org/zap"

	"mongoferry/internal/migration"
)

// ensureSearchAttributes creates ours where the worker may; otherwise it says
// how to, and the migrations go on without.
func ensureSearchAttributes(ctx context.Context, c client.Client, namespace string, log *zap.Logger) bool {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	wanted := map[string]enumspb.IndexedValueType{
		migration.AttributePhase:       enumspb.INDEXED_VALUE_TYPE_KEYWORD,
		migration.AttributeSource:      enumspb.INDEXED_VALUE_TYPE_KEYWORD,
		migration.AttributeDestination: enumspb.INDEXED_VALUE_TYPE_KEYWORD,
		migration.AttributeLagSeconds:  enumspb.INDEXED_VALUE_TYPE_INT,
	}
	err := createMissing(ctx, c, namespace, wanted)
	if err == nil {
		return true
	}
	var commands []string
	for name, kind := range wanted {
		commands = append(commands, fmt.Sprintf("temporal operator search-attribute create --name %s --type %s", name, kind))
	}
	log.Warn("going on without search attributes; an administrator of Temporal can create them and restart the workers",
		zap.Error(err), zap.String("commands", strings.Join(commands, "; ")))
	return false
}

func createMissing(ctx context.Context, c client.Client, namespace string, wanted map[string]enumspb.IndexedValueType) error {
	have, err := c.OperatorService().ListSearchAttributes(ctx, &operatorservice.ListSearchAttributesRequest{Namespace: namespace})
	if err != nil {
		return fmt.Errorf("list search attributes: %w", err)
	}
	missing := map[string]enumspb.IndexedValueType{}
	for name, kind := range wanted {
		is, ok := have.GetCustomAttributes()[name]
		if ok && is != kind {
			return fmt.Errorf("the search attribute %s is of type %s, not %s", name, is, kind)
		}
		if !ok {
			missing[name] = kind
		}
	}
	if len(missing) == 0 {
		return nil
	}
	_, err = c.OperatorService().AddSearchAttributes(ctx, &operatorservice.AddSearchAttributesRequest{
		Namespace: namespace, SearchAttributes: missing,
	})
	if err != nil {
		return fmt.Errorf("create search attributes: %w", err)
	}
	return nil
}
