// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package s3

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"blackout/fixtures"
	"blackout/internal/fallback/bucket"
	"blackout/internal/fallback/bucket/buckettest"
	"blackout/internal/miniotest"
	"blackout/internal/versitytest"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// real is a server of a real store with the bucket "backup".
type real struct {
	endpoint  string
	authority *fixtures.Authority // of an https endpoint
	versity   versitytest.Server
}

// kms makes a MinIO encrypt with the key "key1".
var kms = "MINIO_KMS_SECRET_KEY=key1:" + base64.StdEncoding.EncodeToString(make([]byte, 32))

func startMinIO(t *testing.T, environment ...string) *real {
	t.Helper()
	return (&real{endpoint: "http://" + miniotest.Start(t, environment...)}).withBucket(t)
}

func startMinIOTLS(t *testing.T, environment ...string) *real {
	t.Helper()
	authority := newAuthority(t)
	return (&real{endpoint: "https://" + miniotest.StartTLS(t, authority, environment...), authority: authority}).withBucket(t)
}

func startVersity(t *testing.T, authority *fixtures.Authority) *real {
	t.Helper()
	server := versitytest.Start(t, authority)
	return (&real{endpoint: server.Endpoint, authority: authority, versity: server}).withBucket(t)
}

func (r *real) withBucket(t *testing.T) *real {
	t.Helper()
	if err := r.open(t, Options{}).Administration().Create(t.Context()); err != nil {
		t.Fatal(err)
	}
	return r
}

// open opens the bucket as the root account, or as the environment given as name and
// value says.
func (r *real) open(t *testing.T, options Options, environ ...string) *Bucket {
	t.Helper()
	if r.authority != nil {
		environ = append([]string{"AWS_CA_BUNDLE", writeFile(t, string(r.authority.Certificate))}, environ...)
	}
	options.Getenv = environment(r.endpoint, environ...)
	return openBucket(t, options)
}

// observer is a client of the root account that has nothing to do with ours.
func (r *real) observer(t *testing.T) *minio.Client {
	t.Helper()
	_, host, _ := strings.Cut(r.endpoint, "://")
	options := &minio.Options{Creds: credentials.NewStaticV4(rootUser, rootPass, ""), Region: "us-east-1"}
	if r.authority != nil {
		transport, err := newTransport(writeFile(t, string(r.authority.Certificate)))
		if err != nil {
			t.Fatal(err)
		}
		options.Secure, options.Transport = true, transport
	}
	client, err := minio.New(host, options)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func TestMinIOConformance(t *testing.T) {
	t.Parallel()
	server := startMinIO(t)
	buckettest.Test(t, func(t *testing.T) bucket.Bucket { return server.open(t, Options{}) })
}

// TestMinIOConformanceInForce has all in force that a careful operator asks for.
func TestMinIOConformanceInForce(t *testing.T) {
	t.Parallel()
	server := startMinIOTLS(t, kms)
	if err := server.open(t, Options{}).Administration().EnableVersioning(t.Context()); err != nil {
		t.Fatal(err)
	}
	buckettest.Test(t, func(t *testing.T) bucket.Bucket {
		return server.open(t, Options{PutConfig: `{"ServerSideEncryption":"aws:kms","SSEKMSKeyId":"key1","Tagging":"team=edge"}`})
	}, "ListsPages")
}

func TestVersityConformance(t *testing.T) {
	t.Parallel()
	server := startVersity(t, nil)
	buckettest.Test(t, func(t *testing.T) bucket.Bucket { return server.open(t, Options{}) })
}

func TestVersityConformanceTLS(t *testing.T) {
	t.Parallel()
	server := startVersity(t, newAuthority(t))
	buckettest.Test(t, func(t *testing.T) bucket.Bucket { return server.open(t, Options{}) }, "ListsPages")
}

// policy is what a node may do below the prefix "p". The principal is that of a
// bucket's policy, or empty in a policy of an account.
func policy(principal string, actions ...string) string {
	who := ""
	if principal != "" {
		who = fmt.Sprintf(`"Principal":{"AWS":[%q]},`, principal)
	}
	quoted := `"` + strings.Join(actions, `","`) + `"`
	return fmt.Sprintf(`{"Effect":"Allow",%s"Action":[%s],"Resource":["arn:aws:s3:::backup/p/*"]},
		{"Effect":"Allow",%s"Action":["s3:ListBucket"],"Resource":["arn:aws:s3:::backup"]%s}`, who, quoted, who,
		map[bool]string{true: `,"Condition":{"StringLike":{"s3:prefix":["p","p/*"]}}`}[principal == ""])
}

func document(statements ...string) string {
	return `{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`
}

// assumeRole gives a MinIO account that is limited by a policy.
func (r *real) assumeRole(t *testing.T, policy string) []string {
	t.Helper()
	provider, err := credentials.NewSTSAssumeRole(r.endpoint, credentials.STSAssumeRoleOptions{
		AccessKey: rootUser, SecretKey: rootPass, Policy: policy, DurationSeconds: 900, Location: "us-east-1"})
	if err != nil {
		t.Fatal(err)
	}
	context := &credentials.CredContext{Client: http.DefaultClient}
	if r.authority != nil {
		transport, err := newTransport(writeFile(t, string(r.authority.Certificate)))
		if err != nil {
			t.Fatal(err)
		}
		context.Client = &http.Client{Transport: transport}
	}
	value, err := provider.GetWithContext(context)
	if err != nil {
		t.Fatal(err)
	}
	return []string{"AWS_ACCESS_KEY_ID", value.AccessKeyID, "AWS_SECRET_ACCESS_KEY", value.SecretAccessKey, "AWS_SESSION_TOKEN", value.SessionToken}
}

func TestMinIOAccounts(t *testing.T) {
	t.Parallel()
	server := startMinIOTLS(t, "MINIO_SITE_REGION=us-east-1")
	writer := server.assumeRole(t, document(policy("", "s3:GetObject", "s3:PutObject")))
	reader := server.assumeRole(t, document(policy("", "s3:GetObject")))
	testAccounts(t, server, writer, reader)
	t.Run("list beyond the prefix", func(t *testing.T) {
		if _, _, err := server.open(t, Options{}, reader...).List(t.Context(), "", 100); !errors.Is(err, bucket.ErrDenied) {
			t.Errorf("error %v", err)
		}
	})
	for name, test := range map[string]struct {
		environment []string
		kind        error
		want        string
	}{
		"bad token":    {append(reader[:4:4], "AWS_SESSION_TOKEN", "nonsense"), bucket.ErrDenied, "AWS_SESSION_TOKEN has expired or is not valid"},
		"no token":     {reader[:4:4], bucket.ErrDenied, ""},
		"wrong region": {append(reader[:6:6], "AWS_REGION", "eu-west-1"), bucket.ErrRefused, "set AWS_REGION=us-east-1"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := server.open(t, Options{}, test.environment...).Get(t.Context(), testKey, 100)
			if !errors.Is(err, test.kind) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %v with %q", err, test.kind, test.want)
			}
		})
	}
}

func TestVersityAccounts(t *testing.T) {
	t.Parallel()
	server := startVersity(t, newAuthority(t))
	server.versity.AddUser(t, "writer", "writer-secret")
	server.versity.AddUser(t, "reader", "reader-secret")
	both := document(policy("writer", "s3:GetObject", "s3:PutObject"), policy("reader", "s3:GetObject"))
	if err := server.observer(t).SetBucketPolicy(t.Context(), "backup", both); err != nil {
		t.Fatal(err)
	}
	testAccounts(t, server, []string{"AWS_ACCESS_KEY_ID", "writer", "AWS_SECRET_ACCESS_KEY", "writer-secret"},
		[]string{"AWS_ACCESS_KEY_ID", "reader", "AWS_SECRET_ACCESS_KEY", "reader-secret"})
}

// testAccounts has the store deny what a node's account has no right to.
func testAccounts(t *testing.T, server *real, writer, reader []string) {
	t.Helper()
	root, w, r := server.open(t, Options{}), server.open(t, Options{}, writer...), server.open(t, Options{}, reader...)
	put := func(b *Bucket, key string, options bucket.PutOptions) error {
		_, err := b.Put(t.Context(), key, bucket.BodyOf([]byte(testTable)), options)
		return err
	}
	get := func(b *Bucket, key string) error {
		_, err := b.Get(t.Context(), key, 100)
		return err
	}
	if err := put(root, "q/1.0/config.json", bucket.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	_, _, listed := r.List(t.Context(), "p/", 100)
	_, head := r.Head(t.Context(), testKey)
	for _, test := range []struct {
		what string
		err  error
		want error
	}{
		{"the reader misses", get(r, testKey), bucket.ErrNotFound},
		{"the reader writes", put(r, testKey, bucket.PutOptions{}), bucket.ErrDenied},
		{"the reader creates", put(r, testKey, bucket.PutOptions{If: bucket.IfAbsent()}), bucket.ErrDenied},
		{"the writer creates", put(w, testKey, bucket.PutOptions{If: bucket.IfAbsent()}), nil},
		{"the writer creates again", put(w, testKey, bucket.PutOptions{If: bucket.IfAbsent()}), bucket.ErrConflict},
		{"the writer writes", put(w, testKey, bucket.PutOptions{}), nil},
		{"the writer reads", get(w, testKey), nil},
		{"the reader reads", get(r, testKey), nil},
		{"the reader lists", listed, nil},
		{"the reader asked for what was not there", head, bucket.ErrNotFound},
		{"the writer writes beyond the prefix", put(w, "q/1.0/config.json", bucket.PutOptions{}), bucket.ErrDenied},
		{"the reader reads beyond the prefix", get(r, "q/1.0/config.json"), bucket.ErrDenied},
		{"a stranger reads", get(server.open(t, Options{}, "AWS_ACCESS_KEY_ID", "stranger"), testKey), bucket.ErrDenied},
		{"a wrong secret reads", get(server.open(t, Options{}, "AWS_SECRET_ACCESS_KEY", "wrong-secret"), testKey), bucket.ErrDenied},
		{"another bucket", get(server.open(t, Options{Bucket: "nowhere"}), testKey), bucket.ErrNotFound},
	} {
		if !errors.Is(test.err, test.want) {
			t.Errorf("%s: %v, want %v", test.what, test.err, test.want)
		}
		if test.err != nil {
			t.Logf("%s: %v", test.what, test.err)
			if strings.Contains(test.err.Error(), "\n") || strings.Contains(test.err.Error(), rootPass) || strings.Contains(test.err.Error(), "wrong-secret") {
				t.Errorf("%s: %q", test.what, test.err)
			}
		}
	}
}

func TestMinIOEncryption(t *testing.T) {
	t.Parallel()
	server := startMinIO(t, kms)
	for config, want := range map[string][2]string{
		``:                                  {"", ""},
		`{"ServerSideEncryption":"AES256"}`: {"AES256", ""},
		`{"ServerSideEncryption":"aws:kms","SSEKMSKeyId":"key1","SSEKMSEncryptionContext":"eyJhIjoiYiJ9"}`: {"aws:kms", "key1"},
	} {
		opened := server.open(t, Options{PutConfig: config})
		for _, transient := range []bool{false, true} {
			key := fmt.Sprintf("p/%s-%v", want[0], transient)
			if _, err := opened.Put(t.Context(), key, bucket.BodyOf([]byte(testTable)), bucket.PutOptions{Transient: transient}); err != nil {
				t.Fatal(err)
			}
			stat, err := server.observer(t).StatObject(t.Context(), "backup", key, minio.StatObjectOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if got := stat.Metadata.Get(headerEncryption); got != want[0] || !strings.HasSuffix(stat.Metadata.Get(headerKMSKey), want[1]) {
				t.Errorf("%s: the stored object is encrypted by %q with %q", config, got, stat.Metadata.Get(headerKMSKey))
			}
			if object, err := opened.Get(t.Context(), key, 100); err != nil || string(object.Body) != testTable || object.Encryption != want[0] {
				t.Errorf("%s: read %q, encrypted by %q, %v", config, object.Body, object.Encryption, err)
			}
		}
	}
	opened := server.open(t, Options{PutConfig: `{"ServerSideEncryption":"aws:kms","SSEKMSKeyId":"no-such-key"}`})
	_, err := opened.Put(t.Context(), "p/other", bucket.BodyOf([]byte(testTable)), bucket.PutOptions{})
	if !errors.Is(err, bucket.ErrRefused) || !strings.Contains(err.Error(), "see whether the key SSEKMSKeyId") {
		t.Errorf("a key that the store does not have: %v", err)
	}
}

// TestMinIOWithoutKeys: what was asked for and is not in force is an error.
func TestMinIOWithoutKeys(t *testing.T) {
	t.Parallel()
	expectNotEncrypted(t, startMinIO(t))
}

func TestVersityDoesNotEncrypt(t *testing.T) {
	t.Parallel()
	expectNotEncrypted(t, startVersity(t, nil))
}

func expectNotEncrypted(t *testing.T, server *real) {
	t.Helper()
	for _, config := range []string{`{"ServerSideEncryption":"AES256"}`, `{"ServerSideEncryption":"aws:kms","SSEKMSKeyId":"key1"}`} {
		_, err := server.open(t, Options{PutConfig: config}).Put(t.Context(), "p/k", bucket.BodyOf([]byte(testTable)), bucket.PutOptions{})
		t.Logf("%s: %v", config, err)
		if !errors.Is(err, bucket.ErrRefused) && !errors.Is(err, bucket.ErrNotEncrypted) {
			t.Errorf("%s: %v", config, err)
		}
	}
}

func versionsOf(ctx context.Context, client *minio.Client, key string) (count int, err error) {
	for object := range client.ListObjects(ctx, "backup", minio.ListObjectsOptions{Prefix: key, WithVersions: true}) {
		if object.Err != nil {
			return 0, object.Err
		}
		count++
	}
	return count, nil
}

func TestMinIOKeepsEveryExport(t *testing.T) {
	t.Parallel()
	server := startMinIO(t)
	opened := server.open(t, Options{})
	if err := opened.Administration().EnableVersioning(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if _, err := opened.Put(t.Context(), testKey, bucket.BodyOf(fmt.Appendf(nil, "%d", i)), bucket.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if count, err := versionsOf(t.Context(), server.observer(t), testKey); err != nil || count != 3 {
		t.Errorf("%d versions, %v", count, err)
	}
	if object, err := opened.Get(t.Context(), testKey, 100); err != nil || string(object.Body) != "2" {
		t.Errorf("read %q, %v", object.Body, err)
	}
}

// TestMinIOTakesThePutConfig: a server that checks signatures and values takes what
// MinIO has of it, on a bucket with object lock.
func TestMinIOTakesThePutConfig(t *testing.T) {
	t.Parallel()
	server := startMinIO(t, kms)
	observer := server.observer(t)
	if err := observer.MakeBucket(t.Context(), "locked", minio.MakeBucketOptions{ObjectLocking: true}); err != nil {
		t.Fatal(err)
	}
	opened := server.open(t, Options{Bucket: "locked", PutConfig: `{
		"ServerSideEncryption":"aws:kms", "SSEKMSKeyId":"key1", "Tagging":"team=edge&tier=1", "StorageClass":"REDUCED_REDUNDANCY",
		"ObjectLockMode":"GOVERNANCE", "ObjectLockRetainUntilDate":"2099-01-31T00:00:00Z", "ObjectLockLegalHoldStatus":"ON",
		"CacheControl":"no-store", "ContentDisposition":"inline", "ContentLanguage":"en", "ContentType":"text/json",
		"Expires":"2099-01-31T00:00:00Z", "WebsiteRedirectLocation":"/x", "Metadata":{"team":"edge"}}`})
	for _, transient := range []bool{false, true} {
		key := fmt.Sprintf("p/%v", transient)
		for _, body := range []string{"1", "2"} {
			if _, err := opened.Put(t.Context(), key, bucket.BodyOf([]byte(body)), bucket.PutOptions{Transient: transient, Metadata: map[string]string{"blackout-hash": "h"}}); err != nil {
				t.Fatal(err)
			}
		}
		stat, err := observer.StatObject(t.Context(), "locked", key, minio.StatObjectOptions{})
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]string{"X-Amz-Storage-Class": "REDUCED_REDUNDANCY", "X-Amz-Object-Lock-Mode": "GOVERNANCE", "X-Amz-Object-Lock-Legal-Hold": "ON",
			"Cache-Control": "no-store", "Content-Disposition": "inline", "Content-Language": "en", "Content-Type": "text/json", "X-Amz-Meta-Team": "edge"}
		for name, value := range want {
			if transient {
				value = map[string]string{"Content-Type": "application/json"}[name]
			}
			if got := stat.Metadata.Get(name); got != value {
				t.Errorf("transient %v: %s: %q, want %q", transient, name, got, value)
			}
		}
		tags, err := observer.GetObjectTagging(t.Context(), "locked", key, minio.GetObjectTaggingOptions{})
		if err != nil || tags.ToMap()["team"] != "edge" || stat.Metadata.Get(headerEncryption) != "aws:kms" {
			t.Errorf("transient %v: tags %v, encryption %q, %v", transient, tags, stat.Metadata.Get(headerEncryption), err)
		}
	}
}
