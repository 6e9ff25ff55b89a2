package peer

import (
	"io"
	"log"
	"os"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// NewLog returns a logger that writes every line, as the daemon does. controller-runtime's own logger samples: it drops
// lines after the first hundred in a second, which would be less work than the daemon does.
func NewLog() *zap.Logger {
	// net/http logs each handshake that a client cuts off, and wrk cuts off its first one.
	log.SetOutput(io.Discard)
	config := zap.NewProductionEncoderConfig()
	config.TimeKey, config.MessageKey = "timestamp", "message"
	config.EncodeTime = zapcore.ISO8601TimeEncoder
	return zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(config), zapcore.Lock(os.Stdout), zap.InfoLevel))
}

// LogChange logs a capped Job with the fields of the daemon.
func LogChange(log *zap.Logger, r *Request, change *Change) {
	if !change.IsLogged {
		return
	}
	fields := []zap.Field{
		zap.String("namespace", r.Namespace), zap.String("name", r.Name[:min(len(r.Name), 256)]),
		zap.String("operation", r.Operation), zap.String("uid", r.UID),
	}
	if r.DryRun {
		fields = append(fields, zap.Bool("dryRun", true))
	}
	fields = append(fields, zap.String("rule", rule))
	if change.BackoffLimit != nil {
		fields = append(fields, zap.Int32p("backoffLimit", r.Object.Spec.BackoffLimit))
	}
	if change.SetsNever {
		fields = append(fields, zap.String("restartPolicy", r.Object.Spec.Template.Spec.RestartPolicy))
	}
	log.Info("admission request patched", fields...)
}
