// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package s3server

import (
	"bufio"
	"bytes"
	"crypto/cipher"
	"crypto/md5" // S3's ETag is an MD5.
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/johannesboyne/gofakes3"
)

// files is a gofakes3 backend: a directory per bucket, a file per object. A
// file begins with a line of JSON, its [record], and goes on with the body;
// its name is the digest of the object's key, so that no key leaves the
// directory. gofakes3's own file backend truncates and rewrites objects in
// place, which lets a reader see half of one, and carries metadata over from
// the object that is replaced.
type files struct {
	dir    string
	cipher cipher.AEAD // of the bodies that are encrypted
	mu     sync.Mutex  // makes a condition and the write that depends on it one step
}

var _ gofakes3.Backend = (*files)(nil)

// record is what is kept of an object besides its body.
type record struct {
	Key      string            `json:"key"`
	Size     int64             `json:"size"`
	MD5      string            `json:"md5"`
	Metadata map[string]string `json:"metadata"`
}

const (
	objectSuffix = ".object"
	uploadPrefix = "upload-"
)

// openFiles opens the directory and removes uploads that a killed server left.
func openFiles(dir string) (*files, error) {
	if err := makeDir(dir); err != nil {
		return nil, fmt.Errorf("open objects: %w", err)
	}
	leftovers, err := filepath.Glob(filepath.Join(dir, "*", uploadPrefix+"*"))
	if err != nil {
		return nil, fmt.Errorf("open objects: %w", err)
	}
	for _, leftover := range leftovers {
		if err := os.Remove(leftover); err != nil {
			return nil, fmt.Errorf("remove unfinished upload: %w", err)
		}
	}
	return &files{dir: dir}, nil
}

// replaceFile puts data in place of a file by one rename within dir.
func replaceFile(dir, name string, data ...[]byte) (err error) {
	file, err := os.CreateTemp(dir, uploadPrefix+"*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(file.Name()))
		}
	}()
	for _, part := range data {
		if _, err := file.Write(part); err != nil {
			return errors.Join(err, file.Close())
		}
	}
	if err := file.Close(); err != nil {
		return err
	}
	return os.Rename(file.Name(), name)
}

func (f *files) bucketDir(bucket string) string { return filepath.Join(f.dir, bucket) }

func (f *files) objectFile(bucket, key string) string {
	sum := sha256.Sum256([]byte(key))
	return filepath.Join(f.dir, bucket, hex.EncodeToString(sum[:])+objectSuffix)
}

// ListBuckets implements gofakes3.Backend.
func (f *files) ListBuckets() ([]gofakes3.BucketInfo, error) {
	entries, err := os.ReadDir(f.dir)
	if err != nil {
		return nil, err
	}
	buckets := make([]gofakes3.BucketInfo, 0, len(entries))
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil {
			return nil, err
		}
		buckets = append(buckets, gofakes3.BucketInfo{Name: entry.Name(), CreationDate: gofakes3.NewContentTime(info.ModTime())})
	}
	return buckets, nil
}

// ListBucket implements gofakes3.Backend. It does not page: gofakes3 then asks
// again for everything at once.
func (f *files) ListBucket(bucket string, prefix *gofakes3.Prefix, page gofakes3.ListBucketPage) (*gofakes3.ObjectList, error) {
	if !page.IsEmpty() {
		return nil, gofakes3.ErrInternalPageNotImplemented
	}
	records, err := f.records(bucket)
	if err != nil {
		return nil, err
	}
	if prefix == nil {
		prefix = &gofakes3.Prefix{}
	}
	list := gofakes3.NewObjectList()
	for _, r := range records {
		var match gofakes3.PrefixMatch
		switch {
		case !prefix.Match(r.Key, &match):
		case match.CommonPrefix:
			list.AddPrefix(match.MatchedPart)
		default:
			list.Add(&gofakes3.Content{Key: r.Key, Size: r.Size, ETag: `"` + r.MD5 + `"`, LastModified: gofakes3.NewContentTime(r.modified())})
		}
	}
	return list, nil
}

// records are those of a bucket, in the order of their keys.
func (f *files) records(bucket string) ([]record, error) {
	entries, err := os.ReadDir(f.bucketDir(bucket))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, gofakes3.BucketNotFound(bucket)
	}
	if err != nil {
		return nil, err
	}
	var records []record
	for _, entry := range entries {
		if !strings.HasSuffix(entry.Name(), objectSuffix) {
			continue
		}
		file, r, err := openObject(filepath.Join(f.bucketDir(bucket), entry.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			continue // deleted since
		}
		if err != nil {
			return nil, err
		}
		if err := file.Close(); err != nil {
			return nil, err
		}
		records = append(records, r)
	}
	slices.SortFunc(records, func(a, b record) int { return strings.Compare(a.Key, b.Key) })
	return records, nil
}

// modified is the time of the upload, which gofakes3 keeps in the metadata.
func (r record) modified() time.Time {
	at, err := time.Parse(http.TimeFormat, r.Metadata["Last-Modified"])
	if err != nil {
		return time.Time{}
	}
	return at
}

// CreateBucket implements gofakes3.Backend.
func (f *files) CreateBucket(name string) error {
	err := os.Mkdir(f.bucketDir(name), 0o700)
	if errors.Is(err, fs.ErrExist) {
		return gofakes3.ResourceError(gofakes3.ErrBucketAlreadyExists, name)
	}
	return err
}

// BucketExists implements gofakes3.Backend.
func (f *files) BucketExists(name string) (bool, error) {
	if gofakes3.ValidateBucketName(name) != nil {
		return false, nil
	}
	info, err := os.Stat(f.bucketDir(name))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && info.IsDir(), err
}

// DeleteBucket implements gofakes3.Backend.
func (f *files) DeleteBucket(name string) error {
	records, err := f.records(name)
	if err != nil {
		return err
	}
	if len(records) > 0 {
		return gofakes3.ResourceError(gofakes3.ErrBucketNotEmpty, name)
	}
	return os.Remove(f.bucketDir(name))
}

// ForceDeleteBucket implements gofakes3.Backend.
func (f *files) ForceDeleteBucket(name string) error { return os.RemoveAll(f.bucketDir(name)) }

// openObject opens an object's file and reads its record; the file then stands
// at the body's first byte.
func openObject(name string) (*os.File, record, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, record{}, err
	}
	line, err := bufio.NewReader(file).ReadBytes('\n')
	var r record
	if err == nil {
		err = json.Unmarshal(line, &r)
	}
	if err == nil {
		_, err = file.Seek(int64(len(line)), io.SeekStart)
	}
	if err != nil {
		return nil, record{}, errors.Join(fmt.Errorf("object file %s: %w", name, err), file.Close())
	}
	return file, r, nil
}

// content is an object's body, in plain.
type content interface {
	io.ReadSeeker
	io.Closer
}

// decrypted is the body of an encrypted object.
type decrypted struct{ *bytes.Reader }

// Close implements io.Closer.
func (decrypted) Close() error { return nil }

// plain is the body of an object whose file stands at its first byte. An encrypted one
// is read whole, and its file closed.
func (f *files) plain(r record, file *os.File) (content, error) {
	if r.Metadata[headerEncryption] == "" {
		return file, nil
	}
	stored, err := io.ReadAll(file)
	if err = errors.Join(err, file.Close()); err != nil {
		return nil, err
	}
	body, err := f.unseal(r, stored)
	return decrypted{bytes.NewReader(body)}, err
}

// open returns an object with its body, which the caller closes.
func (f *files) open(bucket, key string) (*gofakes3.Object, content, error) {
	file, r, err := openObject(f.objectFile(bucket, key))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, gofakes3.KeyNotFound(key)
	}
	if err != nil {
		return nil, nil, err
	}
	hash, err := hex.DecodeString(r.MD5)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("record of %s/%s: %w", bucket, key, err), file.Close())
	}
	body, err := f.plain(r, file)
	if err != nil {
		return nil, nil, err
	}
	return &gofakes3.Object{Name: key, Metadata: r.Metadata, Size: r.Size, Hash: hash}, body, nil
}

// GetObject implements gofakes3.Backend. The file that it opened stays the
// object that it was, whatever replaces it meanwhile.
func (f *files) GetObject(bucket, key string, asked *gofakes3.ObjectRangeRequest) (*gofakes3.Object, error) {
	object, body, err := f.open(bucket, key)
	if err != nil {
		return nil, err
	}
	object.Range, err = asked.Range(object.Size)
	if err != nil {
		return nil, errors.Join(err, body.Close())
	}
	var contents io.Reader = body
	if object.Range != nil {
		if _, err := body.Seek(object.Range.Start, io.SeekCurrent); err != nil {
			return nil, errors.Join(err, body.Close())
		}
		contents = io.LimitReader(body, object.Range.Length)
	}
	object.Contents = struct {
		io.Reader
		io.Closer
	}{contents, body}
	return object, nil
}

// HeadObject implements gofakes3.Backend.
func (f *files) HeadObject(bucket, key string) (*gofakes3.Object, error) {
	object, body, err := f.open(bucket, key)
	if err != nil {
		return nil, err
	}
	object.Contents = http.NoBody
	return object, body.Close()
}

// PutObject implements gofakes3.Backend.
func (f *files) PutObject(bucket, key string, meta map[string]string, input io.Reader, _ int64, conditions *gofakes3.PutConditions) (gofakes3.PutObjectResult, error) {
	body, err := io.ReadAll(input)
	if err != nil {
		return gofakes3.PutObjectResult{}, err
	}
	sum := md5.Sum(body) // see the import
	r := record{Key: key, Size: int64(len(body)), MD5: hex.EncodeToString(sum[:]), Metadata: keptMetadata(meta)}
	line, err := json.Marshal(r)
	if err != nil {
		return gofakes3.PutObjectResult{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.check(bucket, key, conditions); err != nil {
		return gofakes3.PutObjectResult{}, err
	}
	return gofakes3.PutObjectResult{}, replaceFile(f.bucketDir(bucket), f.objectFile(bucket, key), line, []byte("\n"), f.seal(r, body))
}

// keptMetadata is what of a request's headers belongs to the object. The rest
// was about the request: its date, its credentials, its encoding on the wire.
func keptMetadata(headers map[string]string) map[string]string {
	kept := map[string]string{}
	for name, value := range headers {
		if name == "Content-Encoding" {
			value = strings.Trim(strings.TrimPrefix(value, "aws-chunked"), ", ")
		}
		switch {
		case value == "":
		case strings.HasPrefix(name, "X-Amz-Meta-"), strings.HasPrefix(name, "Content-"), name == "Last-Modified", name == headerEncryption:
			kept[name] = value
		}
	}
	return kept
}

// check looks whether the conditions of an upload hold. The caller holds the lock.
func (f *files) check(bucket, key string, conditions *gofakes3.PutConditions) error {
	if conditions == nil {
		return nil
	}
	present, err := f.HeadObject(bucket, key)
	if gofakes3.HasErrorCode(err, gofakes3.ErrNoSuchKey) {
		return gofakes3.CheckPutConditions(conditions, &gofakes3.ConditionalObjectInfo{})
	}
	if err != nil {
		return err
	}
	return gofakes3.CheckPutConditions(conditions, &gofakes3.ConditionalObjectInfo{Exists: true, Hash: present.Hash})
}

// DeleteObject implements gofakes3.Backend.
func (f *files) DeleteObject(bucket, key string) (gofakes3.ObjectDeleteResult, error) {
	err := os.Remove(f.objectFile(bucket, key))
	if errors.Is(err, fs.ErrNotExist) {
		err = nil // as in S3
	}
	return gofakes3.ObjectDeleteResult{}, err
}

// DeleteMulti implements gofakes3.Backend.
func (f *files) DeleteMulti(bucket string, keys ...string) (gofakes3.MultiDeleteResult, error) {
	var result gofakes3.MultiDeleteResult
	for _, key := range keys {
		if _, err := f.DeleteObject(bucket, key); err != nil {
			result.Error = append(result.Error, gofakes3.ErrorResult{Key: key, Code: gofakes3.ErrInternal, Message: err.Error()})
			continue
		}
		result.Deleted = append(result.Deleted, gofakes3.ObjectID{Key: key})
	}
	return result, nil
}

// CopyObject implements gofakes3.Backend.
func (f *files) CopyObject(fromBucket, fromKey, toBucket, toKey string, meta map[string]string) (gofakes3.CopyObjectResult, error) {
	return gofakes3.CopyObject(f, fromBucket, fromKey, toBucket, toKey, meta)
}
