"""The ONNX file as it lies on disk: parsed, checked, brought into its usual form."""
