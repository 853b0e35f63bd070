// SPDX-License-Identifier: Apache-2.0

// etcd as upstream's own main starts it; upstream's module cannot be built
// from the proxy by itself because of its replace lines.
package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() { etcdmain.Main(os.Args) }
