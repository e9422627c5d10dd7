// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package s3

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/minio/minio-go/v7/pkg/credentials"
)

// Bounds of one request for a role's credentials. The instance metadata service is
// next door or not there at all: off the cloud its address leads nowhere, and two
// requests to it are waited for.
const (
	metadataTimeout = time.Second
	roleTimeout     = 5 * time.Second
)

// The addresses of the container agents of ECS and EKS, which may be asked without
// TLS; see the AWS SDKs' reference, "Container credential provider".
const ecsAgent = "http://169.254.170.2"

var agents = map[string]bool{"169.254.170.2": true, "169.254.170.23": true, "fd00:ec2::23": true}

// credentialsError says that there are no credentials to sign a request with. It
// wraps nothing: a time-out in it is not the request's.
type credentialsError struct {
	source string
	advice string
	err    error
}

func (e *credentialsError) Error() string {
	return fmt.Sprintf("no credentials from %s: %s; %s", e.source, oneLine(e.err.Error()), e.advice)
}

// role is where credentials come from that the environment does not hold. It says
// in its errors what was asked.
type role struct {
	credentials.Provider
	source string
	advice string
}

// RetrieveWithCredContext implements credentials.Provider.
func (r role) RetrieveWithCredContext(with *credentials.CredContext) (credentials.Value, error) {
	value, err := r.Provider.RetrieveWithCredContext(with)
	if err == nil && (value.AccessKeyID == "" || value.SecretAccessKey == "") {
		err = errors.New("the answer holds none")
	}
	if err != nil {
		return credentials.Value{}, &credentialsError{source: r.source, advice: r.advice, err: withoutPath(err)}
	}
	return value, nil
}

// accessCredentials finds out who the node is: by keys in the environment, else by
// what Kubernetes or a container agent says in it, else, on AWS, by the instance's
// role. It asks nobody yet.
func accessCredentials(getenv func(string) string, aws bool, transport *http.Transport) (provider *credentials.Credentials, static bool, err error) {
	access, secret := getenv("AWS_ACCESS_KEY_ID"), getenv("AWS_SECRET_ACCESS_KEY")
	switch {
	case access != "" && secret != "":
		return credentials.NewStaticV4(access, secret, getenv("AWS_SESSION_TOKEN")), true, nil
	case access != "" || secret != "":
		return nil, false, errors.New("only one of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY is set; set both")
	}
	found, err := roleOf(getenv, transport)
	if err != nil {
		return nil, false, err
	}
	if found != nil {
		return credentials.New(*found), false, nil
	}
	if !aws {
		return nil, false, errors.New("AWS_CONFIG_STORAGE_ENDPOINT is set without credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
	}
	if strings.EqualFold(getenv("AWS_EC2_METADATA_DISABLED"), "true") {
		return nil, false, errors.New("there are no credentials for s3://, and AWS_EC2_METADATA_DISABLED forbids to ask for the instance's role; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
	}
	return credentials.New(instanceRole(getenv)), false, nil
}

// roleOf is the role that the environment names, or nil.
func roleOf(getenv func(string) string, transport *http.Transport) (*role, error) {
	tokenFile, arn := getenv("AWS_WEB_IDENTITY_TOKEN_FILE"), getenv("AWS_ROLE_ARN")
	if tokenFile != "" {
		if arn == "" {
			return nil, errors.New("AWS_WEB_IDENTITY_TOKEN_FILE is set without AWS_ROLE_ARN; set both")
		}
		identity := &credentials.IAM{
			Client:   &http.Client{Timeout: roleTimeout, Transport: transport, CheckRedirect: noRedirect},
			Endpoint: cmp.Or(getenv("AWS_ENDPOINT_URL_STS"), getenv("AWS_ENDPOINT_URL")),
			Region:   region(getenv, ""),
		}
		identity.EKSIdentity.TokenFile, identity.EKSIdentity.RoleARN = tokenFile, arn
		identity.EKSIdentity.RoleSessionName = getenv("AWS_ROLE_SESSION_NAME")
		return &role{identity, "the role " + arn + " by AWS_WEB_IDENTITY_TOKEN_FILE", "see whether the role trusts the token's issuer and STS can be reached"}, nil
	}
	full := getenv("AWS_CONTAINER_CREDENTIALS_FULL_URI")
	if relative := getenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"); relative != "" {
		full = ecsAgent + relative
	}
	if full == "" {
		return nil, nil
	}
	if err := mayAskAgent(full); err != nil {
		return nil, err
	}
	agent := &agent{url: full, token: getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN"), tokenFile: getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"),
		client: &http.Client{Timeout: roleTimeout, Transport: direct(roleTimeout), CheckRedirect: noRedirect}}
	return &role{agent, "the container agent", "see whether the task or the pod has a role"}, nil
}

// instanceRole asks the instance metadata service.
func instanceRole(getenv func(string) string) role {
	service := cmp.Or(getenv("AWS_EC2_METADATA_SERVICE_ENDPOINT"), credentials.DefaultIAMRoleEndpoint)
	return role{
		Provider: &credentials.IAM{
			Client:   &http.Client{Timeout: metadataTimeout, Transport: direct(metadataTimeout)},
			Endpoint: strings.TrimSuffix(service, "/"),
		},
		source: "the instance metadata service, the last place to ask",
		advice: "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give the machine a role",
	}
}

// direct is a transport that goes past every proxy, as to an address of the link.
func direct(timeout time.Duration) *http.Transport {
	return &http.Transport{DisableKeepAlives: true, DialContext: (&net.Dialer{Timeout: timeout}).DialContext}
}

// noRedirect makes a redirection the answer: it could lead to where [mayAskAgent] does
// not let the token go.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// mayAskAgent refuses to send the container's token in clear to anyone but the
// agents of ECS and EKS and what runs in the same machine.
func mayAskAgent(text string) error {
	asked, err := url.Parse(text)
	if err != nil || asked.Hostname() == "" {
		return errors.New("AWS_CONTAINER_CREDENTIALS_FULL_URI is not a URL; let the container platform set it")
	}
	address := net.ParseIP(asked.Hostname())
	switch {
	case asked.Scheme == "https", agents[asked.Hostname()], asked.Hostname() == "localhost", address != nil && address.IsLoopback():
		return nil
	}
	return fmt.Errorf("AWS_CONTAINER_CREDENTIALS_FULL_URI leads to %s without https; only loopback and the agents of ECS and EKS may be asked so", asked.Hostname())
}

// agent is the credentials agent of a container platform. minio-go has one too,
// which asks any address.
type agent struct {
	credentials.Expiry
	client           *http.Client
	url              string
	token, tokenFile string
}

// maxCredentials is the largest answer of an agent taken, in bytes.
const maxCredentials = 1 << 20

// RetrieveWithCredContext implements credentials.Provider.
func (a *agent) RetrieveWithCredContext(*credentials.CredContext) (credentials.Value, error) {
	token := a.token
	if a.tokenFile != "" {
		text, err := os.ReadFile(a.tokenFile) // each time: the platform renews it
		if err != nil {
			return credentials.Value{}, fmt.Errorf("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: %w", err)
		}
		token = strings.TrimSpace(string(text))
	}
	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, a.url, http.NoBody)
	if err != nil {
		return credentials.Value{}, err
	}
	if token != "" {
		request.Header.Set("Authorization", token)
	}
	response, err := a.client.Do(request)
	if err != nil {
		return credentials.Value{}, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return credentials.Value{}, fmt.Errorf("it answers %d", response.StatusCode)
	}
	var answer struct {
		AccessKeyID     string `json:"AccessKeyId"`
		SecretAccessKey string
		Token           string
		Expiration      time.Time
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, maxCredentials)).Decode(&answer); err != nil {
		return credentials.Value{}, errors.New("its answer is not credentials in JSON")
	}
	a.SetExpiration(answer.Expiration, credentials.DefaultExpiryWindow)
	return credentials.Value{AccessKeyID: answer.AccessKeyID, SecretAccessKey: answer.SecretAccessKey, SessionToken: answer.Token,
		Expiration: answer.Expiration, SignerType: credentials.SignatureV4}, nil
}

// Retrieve implements credentials.Provider.
func (a *agent) Retrieve() (credentials.Value, error) { return a.RetrieveWithCredContext(nil) }
