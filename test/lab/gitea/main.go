// Command gitea is the forge of the lab: Gitea's own program, started from its
// module.
package main

import (
	"os"

	"code.gitea.io/gitea/cmd"
	"code.gitea.io/gitea/modules/log"
	"code.gitea.io/gitea/modules/setting"
)

// Version is set by the build.
var Version = "1.26.0"

func main() {
	setting.AppVer = Version
	app := cmd.NewMainApp(cmd.AppVersion{Version: Version})
	err := cmd.RunMainApp(app, os.Args...)
	log.GetManager().Close()
	if err != nil {
		os.Exit(1)
	}
}
