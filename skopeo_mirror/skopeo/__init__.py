"""The tool and the proof: running skopeo, reading its log, saying who served."""
