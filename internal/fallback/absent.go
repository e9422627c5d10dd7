// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package fallback

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"blackout/internal/fallback/bucket"
)

const (
	// listTimeout bounds the search for other versions: it only makes an error
	// clearer.
	listTimeout = 5 * time.Second

	// maxListed bounds the objects that are looked at for them: anybody's may lie
	// below the prefix.
	maxListed = 10_000

	// shownVersions is how many of them an error names.
	shownVersions = 5
)

// explain adds to the failure of an import what helps its reader to end it.
func (im *Importer) explain(ctx context.Context, failure error) error {
	switch {
	case ctx.Err() != nil:
		return failure
	case errors.Is(failure, bucket.ErrNotFound):
		return fmt.Errorf("%w; %s", failure, im.otherVersions(ctx))
	case errors.Is(failure, bucket.ErrDenied) && mayBeAbsent(failure):
		return fmt.Errorf("%w; or, if the node has that right, the object does not exist: a store says so only to who may list the bucket", failure)
	}
	return failure
}

// mayBeAbsent tells a denial that may stand for a missing object, as S3 denies one to
// who has no s3:ListBucket, by the store's code, which the errors of a bucket name.
// Other codes are about who asks: an unknown key, a wrong signature, a wrong clock.
func mayBeAbsent(denial error) bool {
	text := denial.Error()
	return strings.Contains(text, "AccessDenied") || strings.Contains(text, "forbidden") // S3's and GCS's
}

// otherVersions says which versions have a snapshot beside the one that is not
// there. It sends one LIST, of as many pages as hold maxListed objects.
func (im *Importer) otherVersions(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	own := path.Base(path.Dir(im.Key))
	prefix := strings.TrimSuffix(im.Key, Key("", own))
	listed, more, err := im.Bucket.List(ctx, prefix, maxListed)
	if err != nil {
		im.log().Debug("fallback versions not listed", "object", im.Name(), "error", err)
	}
	found := snapshotVersions(prefix, listed)
	switch {
	case errors.Is(err, bucket.ErrDenied):
		return "the node may not list which versions there are"
	case err != nil:
		return "which versions there are could not be listed"
	case slices.Contains(found, own):
		return "it was written since: start the node again to use it"
	case len(found) == 0 && more:
		return fmt.Sprintf("among the first %d objects there are no snapshots: check the storage URL, and whether a backup node exports to it", maxListed)
	case len(found) == 0:
		return "no version has a snapshot there: check the storage URL, and whether a backup node exports to it"
	}
	shown := strings.Join(found[:min(len(found), shownVersions)], ", ")
	if more := len(found) - shownVersions; more > 0 {
		shown += fmt.Sprintf(" and %d more", more)
	}
	return "found " + shown + ": upgrade exporter and importer together"
}

// versionPattern is what is taken for a gateway's version in an object's key,
// which anybody may have written.
var versionPattern = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z.+_-]{0,63}$`)

// snapshotVersions are the versions with a snapshot below prefix, the highest
// first.
func snapshotVersions(prefix string, all []bucket.Info) []string {
	var found []string
	for _, info := range all {
		version, name, _ := strings.Cut(strings.TrimPrefix(info.Key, prefix), "/")
		if name == "config.json" && versionPattern.MatchString(version) {
			found = append(found, version)
		}
	}
	slices.SortFunc(found, func(a, b string) int { return -compareVersions(a, b) })
	return found
}

// compareVersions compares by the parts between the dots, numbers as numbers.
func compareVersions(a, b string) int {
	return slices.CompareFunc(strings.Split(a, "."), strings.Split(b, "."), func(x, y string) int {
		m, errM := strconv.ParseUint(x, 10, 64)
		n, errN := strconv.ParseUint(y, 10, 64)
		if errM != nil || errN != nil {
			return cmp.Compare(x, y)
		}
		return cmp.Compare(m, n)
	})
}
