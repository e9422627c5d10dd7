// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"

	"blackout/harness/engine"
)

// labelProgram is on every image that was made from an executable:
// `docker image prune --all --filter label=blackout.program` removes them.
const labelProgram = "blackout.program"

// validProgram is what an image's repository may be called.
var validProgram = regexp.MustCompile(`^[a-z0-9]+([._-][a-z0-9]+)*$`)

// imaging lets one image be made at a time in this process. Nodes and runs need
// the same ones, and of two made at once the first would lose its name.
var imaging sync.Mutex

// passwd lets a program that asks for its user find one.
const passwd = "root:x:0:0:root:" + dataDir + ":/\n"

// Digest returns the id of the image that the program runs as, for a report's
// provenance. It makes the image if need be, but pulls none.
func (e *Engine) Digest(ctx context.Context, program engine.Program) (string, error) {
	ctx, end, err := e.begin(ctx)
	if err != nil {
		return "", fmt.Errorf("digest of %s: %w", program.Name, err)
	}
	defer end()
	ref, err := e.image(ctx, program)
	if err != nil {
		return "", err
	}
	image, err := e.daemon.ImageInspect(ctx, ref)
	if err != nil {
		return "", fmt.Errorf("%w: inspect image %s: %w", engine.ErrUnavailable, ref, err)
	}
	return image.ID, nil
}

// image returns the reference of the program's image, made if it is not there. It
// is looked for once per run.
func (e *Engine) image(ctx context.Context, program engine.Program) (string, error) {
	if program.Image != "" {
		return program.Image, nil
	}
	e.mu.Lock()
	ref, known := e.images[program]
	e.mu.Unlock()
	if known {
		return ref, nil
	}
	ref, err := e.findImage(ctx, program)
	if err == nil {
		e.mu.Lock()
		e.images[program] = ref
		e.mu.Unlock()
	}
	return ref, err
}

func (e *Engine) findImage(ctx context.Context, program engine.Program) (string, error) {
	if !validProgram.MatchString(program.Name) {
		return "", fmt.Errorf("image of program %q: use lower-case letters, digits, '.', '-' and '_'", program.Name)
	}
	imaging.Lock()
	defer imaging.Unlock()
	ref, err := reference(program)
	if err != nil {
		return "", fmt.Errorf("%w: image of %s: %w", engine.ErrUnavailable, program.Name, err)
	}
	_, err = e.daemon.ImageInspect(ctx, ref)
	if err == nil {
		return ref, nil
	}
	if !errdefs.IsNotFound(err) {
		return "", fmt.Errorf("%w: look for image %s: %w", engine.ErrUnavailable, ref, err)
	}
	start := time.Now()
	if err := e.importImage(ctx, program, ref); err != nil {
		return "", fmt.Errorf("%w: make image %s: %w", engine.ErrUnavailable, ref, err)
	}
	e.progress("image %s: made in %s", ref, time.Since(start).Round(time.Millisecond))
	return ref, nil
}

// reference names the image after the executable's content.
func reference(program engine.Program) (string, error) {
	digest, err := program.Digest, error(nil)
	if digest == "" {
		digest, err = engine.DigestOf(program.Binary)
	}
	return fmt.Sprintf("blackout/%s:%.12s", program.Name, digest), err
}

// importImage makes an image of one executable. An import is one request and
// needs no base image and no builder.
func (e *Engine) importImage(ctx context.Context, program engine.Program, ref string) error {
	archive, writer := io.Pipe()
	written := make(chan error, 1)
	go func() {
		err := writeImage(writer, program)
		writer.CloseWithError(err)
		written <- err
	}()
	result, err := e.daemon.ImageImport(ctx, client.ImageImportSource{Source: archive, SourceName: "-"}, ref,
		client.ImageImportOptions{Changes: []string{
			`ENTRYPOINT ["/` + program.Name + `"]`,
			"WORKDIR " + dataDir,
			"LABEL " + labelProgram + "=" + program.Name,
		}})
	if err == nil {
		err = errors.Join(importError(result), result.Close())
	}
	// A daemon that failed has left the rest of the archive unread.
	archive.CloseWithError(errors.New("the daemon has stopped reading"))
	if wrote := <-written; err == nil {
		err = wrote
	}
	return err
}

// writeImage writes an image's only layer. It is the same for the same
// executable: no time of now goes into it.
func writeImage(to io.Writer, program engine.Program) error {
	file, err := os.Open(program.Binary)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	archive := tar.NewWriter(to)
	for _, header := range []tar.Header{
		{Typeflag: tar.TypeDir, Name: "tmp/", Mode: 0o1777},
		{Typeflag: tar.TypeDir, Name: strings.TrimPrefix(dataDir, "/") + "/", Mode: 0o755},
		{Typeflag: tar.TypeDir, Name: "etc/", Mode: 0o755},
		{Typeflag: tar.TypeReg, Name: "etc/passwd", Mode: 0o644, Size: int64(len(passwd))},
	} {
		if err := archive.WriteHeader(&header); err != nil {
			return err
		}
	}
	if _, err := io.WriteString(archive, passwd); err != nil {
		return err
	}
	if err := archive.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: program.Name, Mode: 0o755, Size: info.Size()}); err != nil {
		return err
	}
	if _, err := io.Copy(archive, file); err != nil {
		return err
	}
	return archive.Close()
}

// importError reads the daemon's answer to its end. A failure comes as one of
// its JSON messages, after a status of 200.
func importError(answer io.Reader) error {
	messages := json.NewDecoder(answer)
	for {
		var message struct {
			Error string `json:"error"`
		}
		err := messages.Decode(&message)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("read the daemon's answer: %w", err)
		case message.Error != "":
			return errors.New(message.Error)
		}
	}
}
