// The few calls to the system that tests make besides sockets.
import Glibc

func fileExists(_ path: String) -> Bool { access(path, F_OK) == 0 }

func removeFile(_ path: String) { unlink(path) }

func sleepAMillisecond() { usleep(1000) }
