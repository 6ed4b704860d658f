package migration

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// TestWholeString: in a string that is nothing but a connection string, no
// character of the password ends it too early.
func TestWholeString(t *testing.T) {
	t.Parallel()
	for _, password := range []string{"s3c'ret", `s3c"ret`, "s3c ret", "s3c<r>et", "s3/c@r?et", "s3?c@r=et", "12/s3cret", "s3:cr,et"} {
		for _, rest := range []string{"h:1/?replicaSet=x", "h:1,i:2/db", "h"} {
			u := URI("mongodb://user:" + password + "@" + rest)
			if got := u.String(); got != "mongodb://user:(redacted)@"+rest || !u.HasPassword() {
				t.Errorf("%s: %s, has a password: %t", string(u), got, u.HasPassword())
			}
		}
	}
	for _, plain := range []URI{"mongodb://h:1/?appName=a@b", "mongodb://h:1,i:2/db?x=y", "mongodb+srv://h/?authSource=$external", "mongodb://user@h:1/"} {
		if plain.HasPassword() || plain.String() != string(plain) {
			t.Errorf("%s was taken for one with a password: %s", string(plain), plain)
		}
	}
}

func TestRedact(t *testing.T) {
	t.Parallel()
	cases := []struct{ text, want string }{
		{"nothing to hide", "nothing to hide"},
		{"mongodb://h:27017/", "mongodb://h:27017/"},
		{"mongodb://user@h/", "mongodb://user@h/"},
		{"mongodb://u:hunter2@h/", "mongodb://u:(redacted)@h/"},
		{"mongodb+srv://u:hunter2@h/?x=1", "mongodb+srv://u:(redacted)@h/?x=1"},
		{"mongodb://u:hun%40ter2@a,b:1/", "mongodb://u:(redacted)@a,b:1/"},
		{"mongodb://u:hun@ter2@h/", "mongodb://u:(redacted)@h/"},
		{"mongodb://u:hun/ter2@h/", "mongodb://u:(redacted)@h/"},
		{"mongodb://u:hun:ter2@h/", "mongodb://u:(redacted)@h/"},
		{"mongodb://a:1,b:2/?appName=x@y", "mongodb://a:1,b:2/?appName=x@y"},
		{"from mongodb://u:hunter2@h/ to mongodb://v:hunter2@g/: failed", "from mongodb://u:(redacted)@h/ to mongodb://v:(redacted)@g/: failed"},
		{`"mongodb://u:hunter2@h/" is wrong`, `"mongodb://u:(redacted)@h/" is wrong`},
		{"mongodb://h/?tlsCertificateKeyFilePassword=hunter2&x=1", "mongodb://h/?tlsCertificateKeyFilePassword=(redacted)&x=1"},
		{"mongodb://h/?authMechanismProperties=AWS_SESSION_TOKEN:hunter2", "mongodb://h/?authMechanismProperties=(redacted)"},
	}
	for _, c := range cases {
		if got := Redact(c.text); got != c.want {
			t.Errorf("Redact(%q) = %q, want %q", c.text, got, c.want)
		}
	}
}

// TestNothingShowsAPassword prints what holds one in every way there is.
func TestNothingShowsAPassword(t *testing.T) {
	t.Parallel()
	endpoint := Endpoint{URI: "mongodb://u:hunter2@h:1,g:2/db?tls=true"}
	spec := Spec{ID: "m", Source: endpoint, Destination: endpoint}
	asJSON, err := json.Marshal(endpoint.Address())
	if err != nil {
		t.Fatal(err)
	}
	failure := RedactError(fmt.Errorf("connect to %s: %w", endpoint.URI, errors.ErrUnsupported))
	fault := &Fault{Kind: BadConfiguration, Message: "dial " + endpoint.URI, Err: errors.New(endpoint.URI)}
	for _, text := range []string{
		fmt.Sprint(endpoint), fmt.Sprintf("%v %+v %#v %s %q", spec, spec, spec, endpoint.Address(), endpoint.Address()),
		string(asJSON), failure.Error(), fault.Error(), endpoint.Address().Hosts(), fmt.Sprintf("%#v", endpoint.Address()),
	} {
		if strings.Contains(text, "hunter2") {
			t.Errorf("the password is shown: %s", text)
		}
	}
	if !errors.Is(failure, errors.ErrUnsupported) {
		t.Error("the cause is lost")
	}
	if got := endpoint.Address().Hosts(); got != "h:1,g:2" {
		t.Errorf("hosts %q", got)
	}
	if !endpoint.Address().HasPassword() || Endpoint.Address(Endpoint{URI: "env:X"}).HasPassword() || URI("mongodb://u@h").HasPassword() {
		t.Error("HasPassword is wrong")
	}
}
