// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package blackout_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/moby/moby/client"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"blackout/harness/engine"
	"blackout/harness/engine/docker"
	"blackout/harness/history"
	"blackout/harness/run"
	"blackout/harness/watchdog"
	"blackout/reports"
	"blackout/scenarios"
)

// residueLimit is how long after its harness was killed a run may leave traces.
const residueLimit = 30 * time.Second

// moments are the progress lines at which the harness is killed.
var moments = []string{"engine ", "start store", "load generation", "add dp-3", "hold for", "heal every edge"}

var _ = Describe("a harness that is killed", Label("kill"), func() {
	for _, kind := range []string{run.Local, run.Docker} {
		for _, moment := range moments {
			It(fmt.Sprintf("leaves nothing behind on %s, killed at %q", kind, moment), Label(kind), func(ctx SpecContext) {
				needs(ctx, kind)
				id := runAndKill(ctx, kind, moment)
				Eventually(residue).WithContext(ctx).WithArguments(kind, id).WithTimeout(residueLimit).Should(BeEmpty())
			}, SpecTimeout(specTimeout))
		}
	}
})

var _ = Describe("a run that is interrupted", Label("interrupt"), func() {
	for _, kind := range []string{run.Local, run.Docker} {
		It("heals, cleans up and still writes its report on "+kind, Label(kind), func(ctx SpecContext) {
			needs(ctx, kind)
			cmd, dir := runAndSignal(ctx, kind, "add dp-3", syscall.SIGINT)
			Expect(cmd.ProcessState.ExitCode()).To(Equal(run.ExitInvalid), "exit code")
			Expect(residue(ctx, kind, filepath.Base(dir))).To(BeEmpty(), "at its end, not later")
			rec, err := history.Load(filepath.Join(dir, "recording"))
			Expect(err).NotTo(HaveOccurred())
			Expect(kinds(rec)).To(ContainElements(history.Interrupted, history.FaultHealed, history.HealWitness))
			Expect(filepath.Join(dir, reports.HTMLFile)).To(BeARegularFile())
		}, SpecTimeout(specTimeout))
	}
})

// kinds are the kinds of events in a recording.
func kinds(rec *history.Recording) []history.Kind {
	var out []history.Kind
	for _, e := range rec.Events {
		out = append(out, e.Kind)
	}
	return out
}

// runAndKill starts a run, kills its harness with SIGKILL when a progress line
// holds moment, and returns the run's id.
func runAndKill(ctx context.Context, kind, moment string) string {
	GinkgoHelper()
	cmd, dir := runAndSignal(ctx, kind, moment, syscall.SIGKILL)
	Expect(cmd.ProcessState.Sys()).To(WithTransform(syscall.WaitStatus.Signal, Equal(syscall.SIGKILL)))
	if dir == "" {
		return "" // killed before the run had an id
	}
	return filepath.Base(dir)
}

// runAndSignal starts a run, signals its harness when a progress line holds
// moment, waits for its end and returns it with the run's directory, if it made one.
func runAndSignal(ctx context.Context, kind, moment string, signal os.Signal) (cmd *exec.Cmd, dir string) {
	GinkgoHelper()
	home, err := os.MkdirTemp(mustMake(out), "ended-")
	Expect(err).NotTo(HaveOccurred())
	cmd = exec.CommandContext(ctx, program, "run", scenarios.All[0].Name, "--engine", kind, "--seed", fmt.Sprint(seed), "--out", home)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	output, err := cmd.StdoutPipe()
	Expect(err).NotTo(HaveOccurred())
	Expect(cmd.Start()).To(Succeed())
	seen := false
	for lines := bufio.NewScanner(output); lines.Scan(); {
		GinkgoWriter.Println(lines.Text())
		if !seen && strings.Contains(lines.Text(), moment) {
			seen = true
			Expect(cmd.Process.Signal(signal)).To(Succeed())
		}
	}
	// How it ended is for the caller to judge.
	_ = cmd.Wait()
	Expect(seen).To(BeTrue(), "the run never printed %q", moment)
	dirs, err := filepath.Glob(filepath.Join(home, "*"))
	Expect(err).NotTo(HaveOccurred())
	if len(dirs) > 0 {
		dir = dirs[0]
	}
	return cmd, dir
}

// residue names what is left of a run.
func residue(ctx context.Context, kind, id string) ([]string, error) {
	if id == "" {
		return nil, nil
	}
	left, err := processes(id)
	if err != nil {
		return nil, err
	}
	dirs, err := filepath.Glob(filepath.Join(os.TempDir(), "blackout-"+id+"-*"))
	if err != nil {
		return nil, err
	}
	left = append(left, dirs...)
	if kind != run.Docker {
		return left, nil
	}
	things, err := contained(ctx, id)
	return append(left, things...), err
}

// processes are those whose environment carries the run's id: nodes, compilers
// and the watchdog.
func processes(id string) ([]string, error) {
	files, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		return nil, err
	}
	var left []string
	for _, f := range files {
		environment, err := os.ReadFile(f)
		if err != nil {
			continue // it ended meanwhile
		}
		for _, v := range bytes.Split(environment, []byte{0}) {
			if string(v) == engine.RunVariable+"="+id || string(v) == watchdog.Variable+"="+id {
				left = append(left, filepath.Dir(f))
			}
		}
	}
	return left, nil
}

// contained are the containers, networks and volumes with the run's label.
func contained(ctx context.Context, id string) ([]string, error) {
	daemon, err := client.New(client.FromEnv)
	if err != nil {
		return nil, err
	}
	defer daemon.Close()
	label := make(client.Filters).Add("label", docker.LabelRun+"="+id)
	containers, err := daemon.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: label})
	if err != nil {
		return nil, err
	}
	networks, err := daemon.NetworkList(ctx, client.NetworkListOptions{Filters: label})
	if err != nil {
		return nil, err
	}
	volumes, err := daemon.VolumeList(ctx, client.VolumeListOptions{Filters: label})
	if err != nil {
		return nil, err
	}
	var left []string
	for _, c := range containers.Items {
		left = append(left, "container "+strings.Join(c.Names, ","))
	}
	for _, n := range networks.Items {
		left = append(left, "network "+n.Name)
	}
	for _, v := range volumes.Items {
		left = append(left, "volume "+v.Name)
	}
	return left, nil
}
