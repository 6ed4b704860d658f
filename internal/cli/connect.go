package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
	sdklog "go.temporal.io/sdk/log"

	"mongoferry/internal/seal"
)

const (
	// dialPatience and callPatience keep every answer within 2 s.
	dialPatience = 1500 * time.Millisecond
	callPatience = 1500 * time.Millisecond
	// envUI is where the Temporal UI is, when it cannot be guessed.
	envUI = "MONGOFERRY_TEMPORAL_UI"
)

// connection is a Temporal that has answered.
type connection struct {
	client.Client
	app       *App
	address   string
	namespace string
}

// connect reaches Temporal as its standard variables and profile file say.
func (a *App) connect(ctx context.Context) (*connection, error) {
	key, err := a.key()
	if err != nil {
		return nil, err
	}
	opts, err := envconfig.LoadClientOptions(envconfig.LoadClientOptionsRequest{EnvLookup: environment{a}})
	if err != nil {
		return nil, fmt.Errorf("read Temporal's profile and environment: %w", err)
	}
	opts.HostPort = cmp.Or(opts.HostPort, client.DefaultHostPort)
	opts.Namespace = cmp.Or(opts.Namespace, client.DefaultNamespace)
	opts.Logger = sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler))
	opts.DataConverter = seal.DataConverter(key)
	opts.ConnectionOptions.GetSystemInfoTimeout = dialPatience
	ctx, cancel := context.WithTimeout(ctx, dialPatience)
	defer cancel()
	c := &connection{app: a, address: opts.HostPort, namespace: opts.Namespace}
	if c.Client, err = client.DialContext(ctx, opts); err != nil {
		return nil, c.explain(err)
	}
	return c, nil
}

func (a *App) key() (seal.Key, error) { return seal.LoadKeyFrom(a.getenv) }

// environment is the App's for Temporal's own configuration.
type environment struct{ app *App }

func (e environment) Environ() []string                    { return e.app.Environ }
func (e environment) LookupEnv(name string) (string, bool) { return e.app.lookup(name) }

// explain says what an error of Temporal's means and what to do about it.
func (c *connection) explain(err error) error {
	var unavailable *serviceerror.Unavailable
	var deadline *serviceerror.DeadlineExceeded
	var namespace *serviceerror.NamespaceNotFound
	var denied *serviceerror.PermissionDenied
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled):
		return errors.New("interrupted")
	case errors.As(err, &unavailable), errors.As(err, &deadline), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("the Temporal at %s does not answer: start it (temporal server start-dev, or starter dev), or set TEMPORAL_ADDRESS", c.address)
	case errors.As(err, &namespace):
		return fmt.Errorf("the Temporal at %s has no namespace %s: create it, or set TEMPORAL_NAMESPACE", c.address, c.namespace)
	case errors.As(err, &denied):
		return fmt.Errorf("the Temporal at %s refuses access, check TEMPORAL_API_KEY or the client certificate: %w", c.address, err)
	default:
		return err
	}
}

// briefly bounds one call.
func briefly(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, callPatience)
}

// link is the page of a workflow in the Temporal UI, "" when it is not known
// where that is. Temporal's development server has its UI 1000 ports above.
func (c *connection) link(ctx context.Context, id string) string {
	base := c.app.getenv(envUI)
	if base == "" {
		base = c.guessUI(ctx)
	}
	if base == "" {
		return ""
	}
	return base + "/namespaces/" + url.PathEscape(c.namespace) + "/workflows/" + url.PathEscape(id)
}

func (c *connection) guessUI(ctx context.Context) string {
	host, portText, err := net.SplitHostPort(c.address)
	if err != nil {
		return ""
	}
	ip := net.ParseIP(host)
	port, err := strconv.Atoi(portText)
	if err != nil || (host != "localhost" && (ip == nil || !ip.IsLoopback())) {
		return ""
	}
	base := "http://" + net.JoinHostPort(host, strconv.Itoa(port+1000))
	ctx, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/api/v1/settings", http.NoBody)
	if err != nil {
		return ""
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "" // nothing there
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return ""
	}
	return base
}
