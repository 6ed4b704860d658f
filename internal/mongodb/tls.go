package mongodb

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"

	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// addCA makes the connection trust the certificates in a PEM file, beside what
// the connection string says of TLS.
func addCA(opts *options.ClientOptions, path string) error {
	pem, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	config := opts.TLSConfig
	if config == nil {
		config = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	config.RootCAs = x509.NewCertPool()
	if !config.RootCAs.AppendCertsFromPEM(pem) {
		return fmt.Errorf("%s holds no PEM certificate", path)
	}
	opts.SetTLSConfig(config)
	return nil
}
