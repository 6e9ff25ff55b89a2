package peer

import "flag"

// Flags returns the port to listen on at 127.0.0.1, and the folder of tls.crt and tls.key.
func Flags() (port int, certificates string) {
	flag.IntVar(&port, "port", 0, "the port to listen on, at 127.0.0.1")
	flag.StringVar(&certificates, "certificates", "", "the folder of tls.crt and tls.key")
	flag.Parse()
	return port, certificates
}

// Path is the path of the endpoint.
const Path = "/modify-terraform-job"
