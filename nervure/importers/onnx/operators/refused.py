"""Operators that are refused, and why."""

from __future__ import annotations

from nervure.importers.onnx.table import refuse

refuse(
    "Nervure has no strings",
    "RegexFullMatch",
    "StringConcat",
    "StringNormalizer",
    "StringSplit",
    "TfIdfVectorizer",
)
refuse(
    "Nervure does not compute with quantised numbers",
    "ConvInteger",
    "DequantizeLinear",
    "DynamicQuantizeLinear",
    "MatMulInteger",
    "QLinearConv",
    "QLinearMatMul",
    "QuantizeLinear",
)
refuse("decode images before they enter a model", "ImageDecoder")
refuse("how many boxes it returns depends on their values", "NonMaxSuppression")
