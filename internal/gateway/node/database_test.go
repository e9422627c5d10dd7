// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package node_test

import (
	"bytes"
	"database/sql"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"blackout/internal/gateway/conf"
	"blackout/internal/gateway/pgtest"
)

// onPostgres puts a control plane's database on the server.
func onPostgres(t *testing.T, server *pgtest.Server) func(*conf.Config) {
	database := server.NewDatabase(t)
	return func(config *conf.Config) {
		config.Database = conf.PostgreSQL
		config.Postgres = conf.Postgres{Host: database.Host, Port: database.Port, User: database.User, Password: database.Password,
			Database: database.Database, Timeout: 2 * time.Second}
	}
}

// TestTheDatabaseGoesAndComesBack: the outage of Kong/kong#6935. Behind a
// control plane whose database is gone, data planes serve, a new one gets the
// last configuration, changes are refused; after it, changes arrive again.
func TestTheDatabaseGoesAndComesBack(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	c, upstream := newCluster(t), echo(t)
	cp := c.start(conf.ControlPlane, t.TempDir(), onPostgres(t, server))
	cp.admin("PUT", "/services/s", `{"url":"`+upstream+`/gen/1"}`)
	cp.admin("POST", "/services/s/routes", `{"paths":["/"]}`)
	old := c.start(conf.DataPlane, t.TempDir(), nil)
	old.awaitBody("/x", "/gen/1/x")

	server.Stop(t)
	young := c.start(conf.DataPlane, t.TempDir(), nil)
	young.awaitBody("/x", "/gen/1/x")
	if _, body := old.get("proxy", "/x"); body != "/gen/1/x" {
		t.Errorf("without the database the old data plane answers %s", body)
	}
	address := "http://" + cp.Address("admin")
	if status, text := request(t, "PATCH", address+"/services/s", `{"path":"/gen/2"}`); status != 500 || text != `{"message":"An unexpected error occurred"}` {
		t.Errorf("a change without the database: %d %s", status, text)
	}
	if status, text := request(t, "GET", address+"/status", ""); status != 200 || !strings.Contains(text, `"database":{"reachable":false}`) {
		t.Errorf("the status without the database: %d %s", status, text)
	}
	if cp.isReady() {
		t.Error("the control plane is ready without its database")
	}

	server.Resume(t)
	eventually(t, "the control plane is ready again", cp.isReady)
	cp.admin("PATCH", "/services/s", `{"path":"/gen/3"}`)
	old.awaitBody("/x", "/gen/3/x")
	young.awaitBody("/x", "/gen/3/x")
	eventually(t, "both data planes are listed", func() bool {
		_, text := cp.get("admin", "/clustering/data-planes")
		return strings.Count(text, `"hostname"`) == 2
	})
}

// TestTwoControlPlanesShareADatabase: a change through one arrives at the data
// planes of the other.
func TestTwoControlPlanesShareADatabase(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	shared := onPostgres(t, server)
	upstream := echo(t)
	mine, theirs := newCluster(t), newCluster(t)
	mine.start(conf.ControlPlane, t.TempDir(), shared)
	other := theirs.start(conf.ControlPlane, t.TempDir(), shared)
	dp := mine.start(conf.DataPlane, t.TempDir(), nil)
	other.admin("PUT", "/services/s", `{"url":"`+upstream+`/gen/1"}`)
	other.admin("POST", "/services/s/routes", `{"paths":["/"]}`)
	dp.awaitBody("/x", "/gen/1/x")
}

// TestAnEmptiedDatabaseEmptiesNobody: the incident of Kong/kong#12861. Entities
// that vanish, rather than being deleted, stay where they are served.
func TestAnEmptiedDatabaseEmptiesNobody(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		pushEmpty bool
		seen      string // in the log
		dirty     string // in the metrics
		want      string
	}{
		"kept":             {false, "msg=database.emptied", "1", "/gen/1/x"},
		"pushed, as asked": {true, "msg=configuration.published", "0", "no Route matched with those values"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cluster, upstream := newCluster(t), echo(t)
			var log lines
			cluster.log = slog.NewTextHandler(&log, nil)
			dir := t.TempDir()
			cp := cluster.start(conf.ControlPlane, dir, func(config *conf.Config) { config.PushEmpty = c.pushEmpty })
			cp.admin("PUT", "/services/s", `{"url":"`+upstream+`/gen/1"}`)
			cp.admin("POST", "/services/s/routes", `{"paths":["/"]}`)
			dp := cluster.start(conf.DataPlane, t.TempDir(), nil)
			dp.awaitBody("/x", "/gen/1/x")
			restoreToNothing(t, filepath.Join(dir, "blackout.db"))
			eventually(t, "the control plane has seen it", func() bool { return log.contains(c.seen) })
			young := cluster.start(conf.DataPlane, t.TempDir(), nil)
			for _, node := range []*running{dp, young} {
				eventually(t, "a data plane answers "+c.want, func() bool {
					_, body := node.get("proxy", "/x")
					return strings.Contains(body, c.want)
				})
			}
			if _, text := cp.get("status", "/metrics"); !strings.Contains(text, "\nblackout_configuration_dirty "+c.dirty+"\n") {
				t.Errorf("whether something is unpublished is not told as %s", c.dirty)
			}
			// A change that was made is a change, also to what is there now.
			cp.admin("PUT", "/services/s", `{"url":"`+upstream+`/gen/2"}`)
			cp.admin("POST", "/services/s/routes", `{"paths":["/"]}`)
			dp.awaitBody("/x", "/gen/2/x")
		})
	}
}

// TestADatabaseThatFails: tables that are not there, as in the middle of a
// migration, empty nobody either, and end no session.
func TestADatabaseThatFails(t *testing.T) {
	t.Parallel()
	c, upstream := newCluster(t), echo(t)
	var log lines
	c.log = slog.NewTextHandler(&log, nil)
	dir := t.TempDir()
	cp := c.start(conf.ControlPlane, dir, nil)
	cp.admin("PUT", "/services/s", `{"url":"`+upstream+`/gen/1"}`)
	cp.admin("POST", "/services/s/routes", `{"paths":["/"]}`)
	old := c.start(conf.DataPlane, t.TempDir(), nil)
	old.awaitBody("/x", "/gen/1/x")
	path := filepath.Join(dir, "blackout.db")
	tables := []string{"entities", "revision", "data_planes", "parameters"}
	for _, table := range tables {
		execute(t, path, `ALTER TABLE `+table+` RENAME TO missing_`+table)
	}
	eventually(t, "the control plane says that it cannot read its database", func() bool { return log.contains("msg=database.unreachable") })
	young := c.start(conf.DataPlane, t.TempDir(), nil)
	young.awaitBody("/x", "/gen/1/x")
	eventually(t, "the control plane says that it could not note a data plane", func() bool { return log.contains("msg=dataplane.unrecorded") })
	if status, text := request(t, "PATCH", "http://"+cp.Address("admin")+"/services/s", `{"path":"/gen/2"}`); status != 500 {
		t.Errorf("a change without tables: %d %s", status, text)
	}
	for _, table := range tables {
		execute(t, path, `ALTER TABLE missing_`+table+` RENAME TO `+table)
	}
	eventually(t, "the control plane says that it can read its database", func() bool { return log.contains("msg=database.reachable") })
	cp.admin("PATCH", "/services/s", `{"path":"/gen/3"}`)
	old.awaitBody("/x", "/gen/3/x")
	young.awaitBody("/x", "/gen/3/x")
	if log.contains("msg=dataplane.disconnected") {
		t.Error("a data plane was cut off")
	}
}

// TestAChangeThatCannotBePublishedIsToldOnce: it is tried again and again, and goes
// out when that works.
func TestAChangeThatCannotBePublishedIsToldOnce(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	var log lines
	c.log = slog.NewTextHandler(&log, nil)
	dir := t.TempDir()
	cp := c.start(conf.ControlPlane, dir, nil)
	path := filepath.Join(dir, "blackout.db")
	execute(t, path, `ALTER TABLE workspaces RENAME TO missing_workspaces`)
	cp.admin("PUT", "/services/s", `{"host":"example.org"}`)
	tries := time.NewTimer(500 * time.Millisecond) // fifty times db_update_frequency
	defer tries.Stop()
	<-tries.C
	execute(t, path, `ALTER TABLE missing_workspaces RENAME TO workspaces`)
	eventually(t, "the change is published", func() bool { return log.count("msg=configuration.published") == 2 })
	if n := log.count("msg=configuration.unpublished"); n != 1 {
		t.Errorf("told %d times", n)
	}
}

// restoreToNothing puts a database back to the state before its first entity.
func restoreToNothing(t *testing.T, path string) {
	t.Helper()
	execute(t, path, `DELETE FROM links`, `DELETE FROM entities`, `UPDATE revision SET number = 0`)
}

// execute runs statements on a SQLite file behind a control plane's back.
func execute(t *testing.T, path string, statements ...string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(5000)&_pragma=foreign_keys(1)")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	for _, statement := range statements {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
}

// lines is a log that can be read while it is written.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(line)
}

func (l *lines) contains(text string) bool { return l.count(text) > 0 }

func (l *lines) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), text)
}
