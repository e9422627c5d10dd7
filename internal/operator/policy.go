// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package operator

import (
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strings"

	"blackout/internal/fallback"
)

// Roles are what a node may be in a fallback.
const (
	Exporter = "exporter" // a backup node
	Importer = "importer" // a data plane that may boot from the snapshot
)

// PolicyOptions say for whom a policy is.
type PolicyOptions struct {
	Role    string // [Exporter] or [Importer]
	Version string // of the node; empty: any version
	KMSKey  string // ARN of the key that encrypts the objects; empty: there is none
	Getenv  func(string) string
}

// Policy is what a node must be allowed, and no more. Its JSON is that of Document.
type Policy struct {
	Document any      // in the form that the store's provider takes
	Notes    []string // what the document cannot say
}

// MarshalJSON is the document alone, so that it can be handed to the provider.
func (p Policy) MarshalJSON() ([]byte, error) { return json.Marshal(p.Document) }

// Text writes the document; the notes go elsewhere.
func (p Policy) Text(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(p.Document)
}

// Policies is the least privilege of a node on the storage with a URL. It asks no store.
func Policies(url string, options PolicyOptions) (Policy, error) {
	location, err := parseLocation(url)
	if err != nil {
		return Policy{}, err
	}
	if strings.ContainsAny(location.Bucket+location.Prefix+options.Version, "*?$") {
		return Policy{}, fmt.Errorf("the storage %w: *, ? and $ in its prefix, or in the version, mean something else in a policy", ErrInput)
	}
	if options.Role != Exporter && options.Role != Importer {
		return Policy{}, fmt.Errorf("the role %w: %q; the roles are %s and %s", ErrInput, options.Role, Exporter, Importer)
	}
	if options.Version != "" {
		storage := Storage{Location: location}
		if _, err := storage.key(options.Version); err != nil {
			return Policy{}, err
		}
	}
	if options.KMSKey != "" && (location.Scheme != "s3" || !keyARN.MatchString(options.KMSKey)) {
		return Policy{}, fmt.Errorf("the KMS key %w: give its ARN, such as arn:aws:kms:eu-central-1:111122223333:key/…, and an s3:// storage", ErrInput)
	}
	switch location.Scheme {
	case "s3":
		return s3Policy(location, options), nil
	case "gcs", "gs":
		return gcsPolicy(location, options), nil
	}
	return filePolicy(location, options), nil
}

var keyARN = regexp.MustCompile(`^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:(key|alias)/[A-Za-z0-9/_-]+$`)

// document is a policy of AWS's IAM; MinIO takes the same.
type document struct {
	Version   string
	Statement []statement
}

type statement struct {
	Sid       string
	Effect    string
	Action    []string
	Resource  []string
	Condition map[string]map[string][]string `json:",omitempty"`
}

func allow(sid string, resources []string, actions ...string) statement {
	return statement{Sid: sid, Effect: "Allow", Action: actions, Resource: resources}
}

func s3Policy(at fallback.Location, options PolicyOptions) Policy {
	arn := "arn:" + partition(options.Getenv) + ":s3:::" + at.Bucket
	below := objects(at, options.Version)
	snapshot, election := []string{arn + "/" + below + snapshotName}, arn+"/"+below+electionDir+"*"
	listing := allow("ListSnapshots", []string{arn}, "s3:ListBucket")
	if at.Prefix != "" {
		// It covers the question whether an object is there, too: AWS and MinIO take the
		// object's key for the prefix then.
		listing.Condition = map[string]map[string][]string{"StringLike": {"s3:prefix": {at.Prefix + "/*"}}}
	}
	p := document{Version: "2012-10-17"}
	if options.Role == Importer {
		p.Statement = append(p.Statement, allow("ReadSnapshot", snapshot, "s3:GetObject"))
	} else {
		actions := append([]string{"s3:GetObject", "s3:PutObject"}, extraActions(options.Getenv)...)
		p.Statement = append(p.Statement, allow("WriteSnapshotAndElection", append(snapshot, election), actions...))
	}
	p.Statement = append(p.Statement, listing)
	if options.KMSKey != "" {
		actions := []string{"kms:Decrypt"}
		if options.Role == Exporter {
			actions = append(actions, "kms:GenerateDataKey")
		}
		p.Statement = append(p.Statement, allow("UseKey", []string{options.KMSKey}, actions...))
	}
	notes := []string{"no node needs s3:DeleteObject: a lifecycle rule removes old election objects (blackout fallback bucket-init)"}
	if at.Prefix != "" {
		notes = append(notes, "a store that answers 403 for an object that is not there (some releases of Ceph do) needs ListSnapshots without its condition")
	}
	return Policy{Document: p, Notes: notes}
}

// objects is what the keys of a version's objects begin with.
func objects(at fallback.Location, version string) string {
	return strings.TrimPrefix(at.Prefix+"/", "/") + or(version, "*") + "/"
}

// partition is the part of AWS that the region of the environment is in.
func partition(getenv func(string) string) string {
	switch region := or(getenv("AWS_REGION"), getenv("AWS_DEFAULT_REGION")); {
	case strings.HasPrefix(region, "cn-"):
		return "aws-cn"
	case strings.HasPrefix(region, "us-gov-"):
		return "aws-us-gov"
	}
	return "aws"
}

// extraActions are those that an upload needs because of what is asked for with it.
func extraActions(getenv func(string) string) []string {
	var asked map[string]any
	_ = json.Unmarshal([]byte(getenv(S3ConfigVariable)), &asked) // what is wrong with it the node says
	var actions []string
	for _, extra := range []struct{ key, action string }{
		{"Tagging", "s3:PutObjectTagging"}, {"ObjectLockRetainUntilDate", "s3:PutObjectRetention"},
		{"ObjectLockLegalHoldStatus", "s3:PutObjectLegalHold"}, {"ACL", "s3:PutObjectAcl"},
	} {
		if asked[extra.key] != nil {
			actions = append(actions, extra.action)
		}
	}
	return actions
}

// customRole is a role as `gcloud iam roles create --file` takes it.
type customRole struct {
	Title               string   `json:"title"`
	Description         string   `json:"description"`
	Stage               string   `json:"stage"`
	IncludedPermissions []string `json:"includedPermissions"`
}

func gcsPolicy(at fallback.Location, options PolicyOptions) Policy {
	role := customRole{Title: "Blackout fallback " + options.Role, Description: "Least privilege on " + at.String(), Stage: "GA",
		IncludedPermissions: []string{"storage.objects.get", "storage.objects.list"}}
	if options.Role == Exporter {
		// Replacing an object takes the right to delete it.
		role.IncludedPermissions = []string{"storage.objects.create", "storage.objects.delete", "storage.objects.get", "storage.objects.list"}
	}
	object := "projects/_/buckets/" + at.Bucket + "/objects/"
	condition := fmt.Sprintf(`resource.name.startsWith("%s%s")`, object, objects(at, options.Version))
	if options.Version == "" {
		condition = fmt.Sprintf(`resource.name.startsWith("%s%s")`, object, strings.TrimPrefix(at.Prefix+"/", "/"))
	}
	return Policy{Document: role, Notes: []string{
		"create it with gcloud iam roles create, and bind it on the bucket with the condition " + condition,
		"the condition does not hold for storage.objects.list, which is asked of the bucket: without a second binding for it a node cannot name other versions",
	}}
}

// directoryRights are the rights on a mounted directory.
type directoryRights struct {
	Directory string `json:"directory"`
	Rights    string `json:"rights"` // in the notation of chmod, for the node's user
}

func filePolicy(at fallback.Location, options PolicyOptions) Policy {
	rights := directoryRights{Directory: strings.TrimPrefix(at.String(), at.Scheme+"://"), Rights: "u=rX"}
	if options.Role == Exporter {
		rights.Rights = "u=rwX"
	}
	return Policy{Document: rights, Notes: []string{"mount the volume read-only on importers"}}
}
