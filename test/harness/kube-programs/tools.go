//go:build tools

// Package tools names the program that is built from this module as it is, so that go.mod keeps what it needs.
package tools

import _ "k8s.io/kubernetes/cmd/kube-apiserver"
