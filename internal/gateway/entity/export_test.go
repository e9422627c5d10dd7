// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package entity_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"blackout/internal/gateway/entity"
)

// pair makes a self-signed certificate and its key, both in PEM form.
func pair(t *testing.T, isCA bool, notAfter time.Time) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"},
		NotBefore: notAfter.Add(-time.Hour), NotAfter: notAfter, IsCA: isCA, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))
}

// adminRequest is a recorded request that made a part of a configuration.
type adminRequest struct {
	Method, Path string
	JSON         map[string]any
}

func readJSON(t *testing.T, name string, into any) {
	t.Helper()
	text, err := os.ReadFile(corpusFile(t, name))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatal(err)
	}
}

// apply makes the entity that the request asks for, with keys made by the test.
// It returns nil for those that Kong refused and those of plugins that are not
// this gateway's.
func (r adminRequest) apply(t *testing.T) (*entity.Schema, entity.Record) {
	t.Helper()
	segments := strings.Split(strings.Trim(r.Path, "/"), "/")
	input := entity.Record(r.JSON)
	schema := entity.LookupPath(segments[0])
	if len(segments) > 2 {
		foreign := schema
		for _, referrer := range foreign.ReferredBy() {
			if referrer.Schema.ChildPath() == segments[2] {
				schema = referrer.Schema
				input[referrer.Field.Name] = map[string]any{"id": segments[1]}
			}
		}
		if schema == foreign {
			return nil, nil
		}
	}
	if r.Method == "PUT" {
		input["id"] = segments[len(segments)-1]
	}
	if schema == entity.Plugins && entity.PluginSchema(input.Name()) == nil {
		return nil, nil
	}
	if schema == entity.Certificates {
		input["cert"], input["key"] = pair(t, false, time.Now().Add(time.Hour))
		delete(input, "snis") // the Admin API makes entities of them
	}
	if key := input.Sub("pem"); key != nil {
		_, key["private_key"] = pair(t, false, time.Now().Add(time.Hour))
	}
	entity.ExpandURL(input)
	record, err := schema.Complete(input)
	if err != nil {
		return nil, nil // Kong refused some as well; rows that are missing are counted
	}
	return schema, record
}

// TestExportOfRecordedEntities makes the entities that were recorded and
// compares what NewTable exports of them, field by field.
func TestExportOfRecordedEntities(t *testing.T) {
	t.Parallel()
	rows := map[string][]entity.Record{}
	for _, set := range []string{"b", "c"} {
		var requests []adminRequest
		readJSON(t, "wire/"+set+"/admin-requests.json", &requests)
		for _, request := range requests {
			if schema, record := request.apply(t); schema != nil {
				rows[schema.Name] = append(rows[schema.Name], record)
			}
		}
	}
	var message struct {
		Table map[string]any `json:"config_table"`
	}
	readJSON(t, "wire/c/006-cp2dp-reconfigure.keys-redacted.json", &message)
	got, want := entity.NewTable(rows), message.Table
	for _, schema := range entity.All() {
		wanted := byID(t, schema.Name, want[schema.Name])
		given := byID(t, schema.Name, got[schema.Name])
		for id, row := range given {
			if wanted[id] == nil {
				t.Errorf("%s %s was exported, but not by Kong", schema.Name, id)
				continue
			}
			if tags := wanted[id]["tags"]; reflect.DeepEqual(tags, []any{"changed"}) || reflect.DeepEqual(tags, []any{"before-reconnect"}) {
				row["tags"] = tags // set by later requests
			}
			compareRows(t, schema.Name+" "+id, row, wanted[id])
		}
		if schema != entity.SNIs && len(given) != len(wanted) {
			t.Errorf("%s: exported %d rows, Kong %d", schema.Name, len(given), len(wanted))
		}
	}
}

func byID(t *testing.T, name string, section any) map[string]map[string]any {
	t.Helper()
	found := map[string]map[string]any{}
	list, _ := section.([]any)
	for _, element := range list {
		row := element.(map[string]any)
		if name == "plugins" && entity.PluginSchema(entity.Record(row).Name()) == nil {
			continue
		}
		found[entity.Record(row).ID()] = row
	}
	return found
}

func compareRows(t *testing.T, name string, got, want map[string]any) {
	t.Helper()
	for field, value := range want {
		switch {
		case slices.Contains([]string{"created_at", "updated_at", "cert", "key", "pem", "ttl"}, field):
			if _, given := got[field]; !given {
				t.Errorf("%s: field %s is missing", name, field)
			}
		case field == "tags" || field == "protocols" || field == "methods" || field == "snis":
			if !slices.Equal(sorted(got[field]), sorted(value)) || (got[field] == nil) != (value == nil) {
				t.Errorf("%s: %s: got %v, want %v", name, field, got[field], value)
			}
		case !reflect.DeepEqual(got[field], value):
			t.Errorf("%s: %s: got %v, want %v", name, field, got[field], value)
		}
	}
	for field := range got {
		if _, known := want[field]; !known {
			t.Errorf("%s: field %s is not Kong's", name, field)
		}
	}
}

func sorted(value any) []string {
	texts := entity.Record{"x": value}.Texts("x")
	slices.Sort(texts)
	return texts
}
