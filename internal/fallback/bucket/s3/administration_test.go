// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package s3

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"blackout/internal/fallback/bucket"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/lifecycle"
)

const electionPrefix = "p/1.0/election/"

func TestMinIOAdministration(t *testing.T) {
	t.Parallel()
	server := startMinIO(t, kms)
	admin := server.open(t, Options{}).Administration()
	if settings, err := admin.Describe(t.Context()); err != nil || settings.Versioning != "Off" || settings.Encryption != "None" || len(settings.Expiries) != 0 || len(settings.Unknown) != 0 {
		t.Errorf("a new bucket: %+v, %v", settings, err)
	}
	foreign := lifecycle.NewConfiguration()
	foreign.Rules = []lifecycle.Rule{{ID: "theirs", Status: "Enabled", RuleFilter: lifecycle.Filter{Prefix: "logs/"}, Expiration: lifecycle.Expiration{Days: 9}}}
	if err := server.observer(t).SetBucketLifecycle(t.Context(), "backup", foreign); err != nil {
		t.Fatal(err)
	}
	for range 2 { // all of it may be repeated
		if err := errors.Join(admin.Create(t.Context()), admin.EnableVersioning(t.Context()), admin.EncryptByDefault(t.Context(), ""),
			admin.ExpireElection(t.Context(), electionPrefix, 3), admin.ExpireReplaced(t.Context(), "p/", 90)); err != nil {
			t.Fatal(err)
		}
	}
	settings, err := admin.Describe(t.Context())
	want := []Expiry{
		{ID: "theirs", Prefix: "logs/", Days: 9},
		{ID: "blackout-election " + electionPrefix, Prefix: electionPrefix, Days: 3, Replaced: 3},
		{ID: "blackout-versions p/", Prefix: "p/", Replaced: 90},
	}
	if err != nil || settings.Versioning != "Enabled" || settings.Encryption != "AES256" || !slices.Equal(settings.Expiries, want) {
		t.Errorf("set up: %+v, %v", settings, err)
	}
	if _, err := server.open(t, Options{}).Put(t.Context(), testKey, bucket.BodyOf([]byte(testTable)), bucket.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	if stat, err := server.observer(t).StatObject(t.Context(), "backup", testKey, minio.StatObjectOptions{}); err != nil || stat.Metadata.Get(headerEncryption) != "AES256" {
		t.Errorf("by default an object is encrypted by %q, %v", stat.Metadata.Get(headerEncryption), err)
	}
	if err := admin.EncryptByDefault(t.Context(), "key1"); err != nil {
		t.Fatal(err)
	}
	if settings, err := admin.Describe(t.Context()); err != nil || settings.Encryption != "aws:kms" || !strings.HasSuffix(settings.KMSKey, "key1") {
		t.Errorf("with a key: %+v, %v", settings, err)
	}
}

// TestVersityAdministration: a store without some of the features says so, part by
// part.
func TestVersityAdministration(t *testing.T) {
	t.Parallel()
	admin := startVersity(t, nil).open(t, Options{}).Administration()
	settings, err := admin.Describe(t.Context())
	t.Logf("%+v, %v", settings, err)
	for what, err := range map[string]error{"versioning": admin.EnableVersioning(t.Context()), "encryption": admin.EncryptByDefault(t.Context(), ""),
		"lifecycle": admin.ExpireElection(t.Context(), electionPrefix, 3)} {
		t.Logf("%s: %v", what, err)
		if err != nil && !errors.Is(err, bucket.ErrRefused) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestExpiryNeverMeansASnapshot(t *testing.T) {
	t.Parallel()
	endpoint, counter := serve(t, http.NotFoundHandler())
	admin := openBucket(t, Options{Getenv: environment(endpoint)}).Administration()
	for _, prefix := range []string{"", "p/", "p/1.0/", "p/1.0/election", "p/1.0/my-election/"} {
		if err := admin.ExpireElection(t.Context(), prefix, 1); err == nil {
			t.Errorf("%q was taken", prefix)
		}
	}
	if err := errors.Join(admin.ExpireElection(t.Context(), electionPrefix, 0), admin.ExpireReplaced(t.Context(), "p/", -1)); err == nil || strings.Count(err.Error(), "give 1 or more") != 2 {
		t.Errorf("no days: %v", err)
	}
	counter.expect(t)
}

// TestRulesThatMoveObjectsStay: minio-go keeps one transition of a rule that may have
// several.
func TestRulesThatMoveObjectsStay(t *testing.T) {
	t.Parallel()
	endpoint, counter := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `<LifecycleConfiguration><Rule><ID>archive</ID><Status>Enabled</Status><Filter><Prefix>logs/</Prefix></Filter>
			<Transition><Days>30</Days><StorageClass>STANDARD_IA</StorageClass></Transition>
			<Transition><Days>90</Days><StorageClass>GLACIER</StorageClass></Transition></Rule></LifecycleConfiguration>`)
	}))
	admin := openBucket(t, Options{Getenv: environment(endpoint)}).Administration()
	err := admin.ExpireElection(t.Context(), electionPrefix, 3)
	if err == nil || !strings.Contains(err.Error(), `rule "archive"`) || !strings.Contains(err.Error(), `objects after 3 days and versions 3 days after they were replaced below "p/1.0/election/"`) {
		t.Errorf("error %v", err)
	}
	if got := counter.take(); len(got) != 1 || !strings.HasPrefix(got[0], "GET ") {
		t.Errorf("requests %q", got)
	}
}

func TestDescribeWithoutRights(t *testing.T) {
	t.Parallel()
	endpoint, _ := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if r.URL.Query().Has("versioning") {
			fmt.Fprint(w, "<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>")
			return
		}
		refusal{status: 403, code: "AccessDenied"}.ServeHTTP(w, r)
	}))
	settings, err := openBucket(t, Options{Getenv: environment(endpoint)}).Administration().Describe(t.Context())
	if err != nil || settings.Versioning != "Suspended" || !errors.Is(settings.Unknown["encryption"], bucket.ErrDenied) || !errors.Is(settings.Unknown["lifecycle"], bucket.ErrDenied) {
		t.Errorf("%+v, %v", settings, err)
	}
	denied, _ := serve(t, refusal{status: 403, code: "AccessDenied"})
	if _, err := openBucket(t, Options{Getenv: environment(denied)}).Administration().Describe(t.Context()); !errors.Is(err, bucket.ErrDenied) {
		t.Errorf("without any right: %v", err)
	}
}
