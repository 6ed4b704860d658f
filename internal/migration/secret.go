package migration

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
)

const redacted = "(redacted)"

// userInfo finds the user part of a connection string, whatever its password
// holds: everything up to the last @ before the path. A slash that should have
// been escaped does not end it.
var userInfo = regexp.MustCompile(`(mongodb(?:\+srv)?://)([^@\s"'<>]*(?:@[^/@\s]*)*)@`)

// onlyHosts tells a host with its port, and what follows it, from a user with a
// password: the options of a connection string may hold an @ too.
var onlyHosts = regexp.MustCompile(`^[^:/]*:\d+(?:,[^:/]*:\d+)*/`)

// secretOption finds connection string options whose value is a secret.
var secretOption = regexp.MustCompile(`(?i)((?:tlsCertificateKeyFilePassword|sslClientCertificateKeyPassword|authMechanismProperties)=)[^&\s"']*`)

// Redact removes passwords from every connection string found in a text.
func Redact(text string) string {
	text = userInfo.ReplaceAllStringFunc(text, func(m string) string {
		scheme, user, _ := strings.Cut(strings.TrimSuffix(m, "@"), "://")
		name, _, hasPassword := strings.Cut(user, ":")
		if !hasPassword || onlyHosts.MatchString(user) {
			return m
		}
		return scheme + "://" + name + ":" + redacted + "@"
	})
	return secretOption.ReplaceAllString(text, "${1}"+redacted)
}

// RedactError gives an error whose text holds no password; errors.Is and
// errors.As still see the original.
func RedactError(err error) error {
	if err == nil {
		return nil
	}
	return redactedError{err}
}

type redactedError struct{ err error }

func (e redactedError) Error() string { return Redact(e.err.Error()) }
func (e redactedError) Unwrap() error { return e.err }

// URI is a MongoDB connection string, or a reference to one that the worker
// resolves: "env:NAME" (an environment variable of the worker) or "file:PATH"
// (a file on the worker's machine). It prints redacted everywhere; only Reveal
// and the codec's sealed payloads hold the whole.
type URI string

// Reveal gives the connection string or reference as it is.
func (u URI) Reveal() string { return string(u) }

// IsReference says whether u names a place instead of holding a secret.
func (u URI) IsReference() bool {
	return strings.HasPrefix(string(u), "env:") || strings.HasPrefix(string(u), "file:")
}

// HasPassword says whether u holds a password in plain text.
func (u URI) HasPassword() bool {
	return !u.IsReference() && u.String() != string(u)
}

// String is the redacted form. Other than in a text, nothing ends the string too
// early: quotes and blanks in a password hide nothing.
func (u URI) String() string {
	whole := string(u)
	scheme, rest, ok := strings.Cut(whole, "://")
	if u.IsReference() || !ok {
		return Redact(whole)
	}
	end := userEnd(rest)
	if end < 0 {
		return scheme + "://" + wholeOption.ReplaceAllString(rest, "${1}"+redacted)
	}
	name, _, hasPassword := strings.Cut(rest[:end], ":")
	if hasPassword {
		name += ":" + redacted
	}
	return scheme + "://" + name + wholeOption.ReplaceAllString(rest[end:], "${1}"+redacted)
}

// wholeOption is secretOption in a string that ends where it ends.
var wholeOption = regexp.MustCompile(`(?i)((?:tlsCertificateKeyFilePassword|sslClientCertificateKeyPassword|authMechanismProperties)=)[^&]*`)

// userEnd is where the @ behind the user stands: the last one before the options,
// or of all when what follows the ? does not look like options; -1 when none does.
func userEnd(rest string) int {
	before, options, _ := strings.Cut(rest, "?")
	if name, _, _ := strings.Cut(options, "="); strings.Contains(name, "@") {
		return strings.LastIndex(rest, "@")
	}
	return strings.LastIndex(before, "@")
}

// GoString is the redacted form, for %#v.
func (u URI) GoString() string { return fmt.Sprintf("%q", u.String()) }

// Hosts gives the host list of a connection string for display, or the
// reference itself.
func (u URI) Hosts() string {
	if u.IsReference() {
		return string(u)
	}
	_, rest, ok := strings.Cut(u.String(), "://")
	if !ok {
		return redacted // whatever it is, it may hold a secret
	}
	if at := strings.LastIndex(rest, "@"); at >= 0 {
		rest = rest[at+1:]
	}
	if end := strings.IndexAny(rest, "/?"); end >= 0 {
		rest = rest[:end]
	}
	return rest
}

// MarshalJSON gives the redacted form: a URI is for showing, an Endpoint is for
// travelling.
func (u URI) MarshalJSON() ([]byte, error) { return json.Marshal(u.String()) }
