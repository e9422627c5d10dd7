// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/minio/minio-go/v7/pkg/credentials"
)

// accountLife is how long a MinIO account lives. MinIO allows seven days at
// most; no run is that long.
const accountLife = 7 * 24 * time.Hour

// MinIOHealth is the path at which a MinIO server answers 200 once it takes
// requests. At the two that are named for it, live and ready, it does so before.
const MinIOHealth = "/minio/health/cluster"

// minIO makes accounts by STS AssumeRole with an inline policy, which MinIO
// lets its root account call. Its own admin client is not used, for its licence.
type minIO struct {
	*objects
	user, password string
}

var _ Store = (*minIO)(nil)

// NewMinIO is the MinIO server at endpoint ("host:port", plain HTTP).
func NewMinIO(endpoint, rootUser, rootPassword string) (Store, error) {
	o, err := newObjects(endpoint, rootUser, rootPassword, MinIOHealth)
	if err != nil {
		return nil, err
	}
	return &minIO{objects: o, user: rootUser, password: rootPassword}, nil
}

// NewAccount implements [Store].
func (m *minIO) NewAccount(ctx context.Context, node, bucket, prefix string, rights Rights) (Account, error) {
	policy, err := json.Marshal(newPolicy(bucket, prefix, rights))
	if err != nil {
		return Account{}, fmt.Errorf("make account for %s: %w", node, err)
	}
	role := &credentials.STSAssumeRole{
		Client:      &http.Client{Transport: m.transport},
		STSEndpoint: "http://" + m.endpoint,
		Options: credentials.STSAssumeRoleOptions{
			AccessKey: m.user, SecretKey: m.password, Policy: string(policy), Location: Region,
			DurationSeconds: int(accountLife.Seconds()),
		},
	}
	// Ask the provider itself: credentials.New would keep it and renew later.
	value, err := role.RetrieveWithCredContext(&credentials.CredContext{Client: role.Client, Endpoint: role.STSEndpoint, Context: ctx})
	if err != nil {
		return Account{}, fmt.Errorf("make account for %s: assume role: %w", node, err)
	}
	return Account{Node: node, AccessKey: value.AccessKeyID, SecretKey: value.SecretAccessKey, SessionToken: value.SessionToken}, nil
}

// policy is an IAM policy document.
type policy struct {
	Version   string      `json:"Version"`
	Statement []statement `json:"Statement"`
}

type statement struct {
	Effect    string                         `json:"Effect"`
	Action    []string                       `json:"Action"`
	Resource  []string                       `json:"Resource"`
	Condition map[string]map[string][]string `json:"Condition,omitempty"`
}

// newPolicy allows what Kong documents as the least rights of an importer
// (GetObject, ListBucket) or exporter (PutObject as well).
func newPolicy(bucketName, prefix string, rights Rights) policy {
	bucket := "arn:aws:s3:::" + bucketName
	under, list := bucket+"/*", statement{Effect: "Allow", Action: []string{"s3:ListBucket"}, Resource: []string{bucket}}
	if prefix != "" {
		under = bucket + "/" + prefix + "/*"
		list.Condition = map[string]map[string][]string{"StringLike": {"s3:prefix": {prefix, prefix + "/*"}}}
	}
	actions := []string{"s3:GetObject"}
	if rights == Write {
		actions = append(actions, "s3:PutObject")
	}
	return policy{Version: "2012-10-17", Statement: []statement{
		list,
		{Effect: "Allow", Action: actions, Resource: []string{under}},
	}}
}
