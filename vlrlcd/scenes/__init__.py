"""Drawn scenes: coloured shapes on a grid, with questions, rationales and exact judgement of claims."""
